package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/pkg/testkit"
)

func setup(t *testing.T, c telemetry.Config) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.Setup(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = tel.Shutdown(ctx)
	})
	return tel
}

func TestALogLineNamesItsTraceAndItsRequest(t *testing.T) {
	t.Parallel()
	var out buffer
	tel := setup(t, telemetry.Config{Service: "registry", LogFormat: "json", LogOutput: &out})
	ctx, span := tel.Tracer("test").Start(context.Background(), "work")
	defer span.End()
	ctx = telemetry.WithAttrs(ctx, slog.String("request_id", "r-1"))
	sibling := telemetry.WithAttrs(ctx, slog.String("other", "x"))
	ctx = telemetry.WithAttrs(ctx, slog.Int("attempt", 2))
	tel.Log.With("component", "store").InfoContext(ctx, "saved", "rows", 3, "key", config.Secret("hunter2"))
	tel.Log.InfoContext(sibling, "beside")
	tel.Log.Info("without context")

	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 3)
	var line map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &line))
	require.Equal(t, "saved", line["msg"])
	require.Equal(t, "registry", line["service"])
	require.Equal(t, "store", line["component"])
	require.Equal(t, "r-1", line["request_id"])
	require.InDelta(t, 2, line["attempt"], 0)
	require.Equal(t, span.SpanContext().TraceID().String(), line["trace_id"])
	require.Equal(t, span.SpanContext().SpanID().String(), line["span_id"])
	require.Equal(t, telemetry.TraceID(ctx), line["trace_id"])
	require.NotContains(t, out.String(), "hunter2")
	require.NotContains(t, lines[1], "attempt", "a context's attributes do not leak into its siblings")
	require.NotContains(t, lines[2], "trace_id")
}

func TestLevelsAndFormatsAreChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []telemetry.Config{{LogLevel: "loud"}, {LogFormat: "xml"}, {SampleRatio: 1.5}, {SampleRatio: -1}} {
		_, err := telemetry.Setup(t.Context(), c)
		require.True(t, fault.Is(err, fault.Invalid), "%+v", c)
	}
	var out buffer
	tel := setup(t, telemetry.Config{LogLevel: "warn", LogOutput: &out})
	tel.Log.Info("quiet")
	tel.Log.Warn("loud")
	require.NotContains(t, out.String(), "quiet")
	require.Contains(t, out.String(), "msg=loud")
}

func TestSpansReachTheCollectorUnderTheirServicesNames(t *testing.T) {
	t.Parallel()
	traces := testkit.NewTraces(t)
	tel := setup(t, telemetry.Config{Service: "slipway", OTLPEndpoint: traces.Endpoint(), OTLPInsecure: true, SampleRatio: 1})
	registry := tel.For("registry")
	ctx, outer := tel.Tracer("test").Start(context.Background(), "outer")
	ctx, inner := registry.Tracer("test").Start(ctx, "inner")
	_, leaf := registry.Tracer("test").Start(ctx, "leaf")
	leaf.End()
	inner.End()
	outer.End()
	require.NoError(t, registry.Shutdown(t.Context()), "a derived telemetry only flushes")
	traces.RequireTree(t, outer.SpanContext().TraceID().String(), `
		slipway: outer
			registry: inner
				registry: leaf
	`)
	_, again := registry.Tracer("test").Start(context.Background(), "again")
	again.End()
	require.NoError(t, tel.Shutdown(t.Context()))
	traces.Find(t, "the span after the derived shutdown", func(s testkit.Span) bool { return s.Name == "again" })
}

func TestATraceBegunElsewhereFollowsItsBeginner(t *testing.T) {
	t.Parallel()
	traces := testkit.NewTraces(t)
	tel := setup(t, telemetry.Config{Service: "s", OTLPEndpoint: traces.Endpoint(), OTLPInsecure: true, SampleRatio: 0})
	_, own := tel.Tracer("test").Start(context.Background(), "own")
	own.End()
	require.True(t, own.SpanContext().IsValid(), "an unsampled span still has ids")
	require.False(t, own.SpanContext().IsSampled())
	for _, flags := range []trace.TraceFlags{0, trace.FlagsSampled} {
		parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags, Remote: true})
		_, span := tel.Tracer("test").Start(trace.ContextWithSpanContext(context.Background(), parent), "theirs")
		require.Equal(t, flags.IsSampled(), span.SpanContext().IsSampled())
		span.End()
	}
	require.NoError(t, tel.Flush(t.Context()))
	require.Len(t, traces.Spans(""), 1)
}

func TestACollectorThatIsAwayIsToldOnceAndWaitedForByNobody(t *testing.T) {
	t.Parallel()
	var out buffer
	tel, err := telemetry.Setup(t.Context(), telemetry.Config{OTLPEndpoint: "127.0.0.1:1", OTLPInsecure: true, SampleRatio: 1, LogOutput: &out})
	require.NoError(t, err)
	for range 3 {
		_, span := tel.Tracer("test").Start(context.Background(), "lost")
		span.End()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_ = tel.Flush(ctx)
		cancel()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	started := time.Now()
	_ = tel.Shutdown(ctx)
	require.Less(t, time.Since(started), 5*time.Second)
	testkit.Eventually(t, testkit.Patience, func() bool { return strings.Contains(out.String(), "spans are being lost") }, "the loss is told")
	require.Equal(t, 1, strings.Count(out.String(), "spans are being lost"), out.String())
}

func TestDiscardHasIDsAndARegistryOfItsOwn(t *testing.T) {
	t.Parallel()
	a, b := telemetry.Discard(), telemetry.Discard()
	ctx, span := a.Tracer("test").Start(context.Background(), "x")
	require.NotEmpty(t, telemetry.TraceID(ctx))
	require.False(t, span.IsRecording())
	c := func() prometheus.Collector { return prometheus.NewCounter(prometheus.CounterOpts{Name: "c"}) }
	require.NoError(t, a.Metrics.Register(c()))
	require.NoError(t, b.Metrics.Register(c()))
	require.Empty(t, telemetry.TraceID(context.Background()))
	require.NoError(t, a.Shutdown(t.Context()))
	require.NoError(t, a.Flush(t.Context()))
}

// buffer is a bytes.Buffer that a logger and a test may use at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
