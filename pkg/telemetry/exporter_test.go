package telemetry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// flaky is an exporter that fails as long as err says.
type flaky struct{ err error }

func (f *flaky) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return f.err }
func (f *flaky) Shutdown(context.Context) error                             { return nil }

func TestLostSpansAreCountedUntilTheyArriveAgain(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	f := &flaky{err: errors.New("connection refused")}
	r := &reporter{SpanExporter: f, log: slog.New(slog.NewTextHandler(&log, nil))}
	spans := make([]sdktrace.ReadOnlySpan, 3)
	for range 2 {
		require.NoError(t, r.ExportSpans(t.Context(), spans))
	}
	f.err = nil
	for range 2 {
		require.NoError(t, r.ExportSpans(t.Context(), spans))
	}
	require.Equal(t, 1, bytes.Count(log.Bytes(), []byte(`msg="spans are being lost" error="connection refused"`)), log.String())
	require.Equal(t, 1, bytes.Count(log.Bytes(), []byte(`msg="spans arrive again" lost=6`)), log.String())
}
