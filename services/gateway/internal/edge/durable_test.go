package edge_test

import (
	"bufio"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/edge"
	"github.com/slipway-ai/slipway/services/gateway/internal/meter"
	"github.com/slipway-ai/slipway/services/gateway/internal/route"
	"github.com/slipway-ai/slipway/services/gateway/internal/upstream"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

// slowJournal is a journal whose END waits, or fails: the disk's faults, which a true one does not produce on demand.
type slowJournal struct {
	ended   chan struct{} // told when an END is asked for
	release chan error    // what it then returns
	begin   error
	whole   atomic.Int64
}

func (j *slowJournal) Begin(*monitorv1.InferenceRecord) (wal.Ticket, error) {
	return wal.Ticket{}, j.begin
}
func (j *slowJournal) Whole(*monitorv1.InferenceRecord) error { j.whole.Add(1); return nil }
func (j *slowJournal) End(wal.Ticket, *monitorv1.InferenceRecord) error {
	j.ended <- struct{}{}
	return <-j.release
}

// fixed is a table that does not change.
type fixed struct{ *route.Router }

// withJournal is an edge over a provider, with a journal of the test's.
func withJournal(t *testing.T, j edge.Journal) (url string, p *provider) {
	t.Helper()
	p = newProvider(t)
	tel := telemetry.Discard()
	g := &guard{}
	e := edge.New(edge.Deps{
		Auth: g, Access: g, Limits: g, Providers: p, Routes: fixed{routed(t, endpoint("chat", external("e", "")))},
		HTTP: upstream.NewHTTP(upstream.HTTPOptions{}), Journal: j, Meter: meter.New(prometheus.NewRegistry()),
		Tracer: tel.Tracer("test"), Propagator: propagation.TraceContext{}, Log: slog.New(slog.DiscardHandler), Clock: clock.System(), IDs: id.UUIDv7(),
	})
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return server.URL, p
}

// routed is a router that has been sent these routes.
func routed(t *testing.T, endpoints ...*servingv1.EndpointRoute) *route.Router {
	t.Helper()
	applied := make(chan *route.Table, 1)
	r := route.New(route.Options{
		Serving: oneTable{&servingv1.WatchRoutesResponse{Revision: 1, Endpoints: endpoints}}, Clock: clock.System(), Log: slog.New(slog.DiscardHandler),
		Runtime: func(string) (grpc.ClientConnInterface, error) {
			return nil, fault.New("test", fault.Unavailable, "none")
		},
		Applied: func(table *route.Table) { applied <- table },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	<-applied
	return r
}

// oneTable is a connection to a serving that has one table.
type oneTable struct {
	table *servingv1.WatchRoutesResponse
}

func (o oneTable) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	return fault.New("test", fault.Unimplemented, "no")
}

func (o oneTable) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return &oneTableStream{ctx: ctx, table: o.table}, nil
}

type oneTableStream struct {
	grpc.ClientStream
	ctx   context.Context
	table *servingv1.WatchRoutesResponse
	sent  bool
}

func (s *oneTableStream) SendMsg(any) error { return nil }
func (s *oneTableStream) RecvMsg(m any) error {
	if s.sent {
		<-s.ctx.Done()
		return s.ctx.Err()
	}
	s.sent = true
	to := m.(*servingv1.WatchRoutesResponse)
	to.Revision, to.Endpoints = s.table.GetRevision(), s.table.GetEndpoints()
	return nil
}

func TestTheLastByteWaitsForTheRow(t *testing.T) {
	t.Parallel()
	j := &slowJournal{ended: make(chan struct{}), release: make(chan error)}
	url, p := withJournal(t, j)
	p.answers(func(w http.ResponseWriter, _ *http.Request) { frames(w, chunk("Hello"), finishChunk, "[DONE]") })
	for _, failure := range []error{nil, fault.New("disk", fault.Unavailable, "the request log has failed")} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/chat/completions", strings.NewReader(asking(`"stream":true`)))
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer ann")
		resp, err := http.DefaultClient.Do(request) //nolint:bodyclose // closed below, when all of it has been read
		require.NoError(t, err)
		lines := make(chan string, 100)
		go func() {
			defer close(lines)
			for s := bufio.NewScanner(resp.Body); s.Scan(); {
				if s.Text() != "" {
					lines <- s.Text()
				}
			}
		}()
		require.Contains(t, <-lines, "Hello", "content is not held up")
		require.Contains(t, <-lines, "stop")
		<-j.ended
		select {
		case line := <-lines:
			t.Fatalf("%q came before the row was safe", line)
		case <-time.After(20 * time.Millisecond):
		}
		j.release <- failure
		last := <-lines
		if failure == nil {
			require.Equal(t, "data: [DONE]", last)
		} else {
			require.Contains(t, last, "the request log has failed", "no row, no end")
		}
		_, more := <-lines
		require.False(t, more)
		_ = resp.Body.Close()
	}
}

func TestAnAnswerWithoutARowIsNotGiven(t *testing.T) {
	t.Parallel()
	j := &slowJournal{ended: make(chan struct{}, 10), release: make(chan error, 10)}
	url, p := withJournal(t, j)
	p.answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(whole)) })
	h := &house{t: t, url: url}
	j.release <- fault.New("disk", fault.Unavailable, "the request log has failed")
	r := h.post("/v1/chat/completions", ask)
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.NotContains(t, r.body, "Hi")

	j.begin = fault.New("wal", fault.Unavailable, "the request log is full").WithReason("REQUEST_LOG_FULL").WithRetryAfter(5 * time.Second)
	asked := len(p.bodies)
	r = h.post("/v1/chat/completions", ask)
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Equal(t, "5", r.header.Get("Retry-After"))
	require.Len(t, p.bodies, asked, "what cannot be logged is not asked")
}

func TestARequestIsOneTrace(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.route(2, endpoint("chat", local("m", 100, "i1")), endpoint("out", external("e", "")))
	h.provider.answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(whole)) })
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, model := range []string{"chat", "out"} {
		h.spans.Reset()
		r := h.post("/v1/chat/completions", strings.Replace(ask, "chat", model, 1), "Traceparent", parent)
		require.Equal(t, http.StatusOK, r.status)
		var spans tracetest.SpanStubs
		require.Eventually(t, func() bool {
			spans = nil
			for _, s := range h.spans.GetSpans() { // the shipper's and the watchers' calls are other traces
				if s.SpanContext.TraceID().String() == "0af7651916cd43dd8448eb211c80319c" {
					spans = append(spans, s)
				}
			}
			return len(spans) >= 2
		}, 5*time.Second, time.Millisecond)
		byName := map[string]tracetest.SpanStub{}
		for _, s := range spans {
			byName[s.Name] = s
		}
		server := byName["POST /v1/chat/completions"]
		require.Equal(t, "b7ad6b7169203331", server.Parent.SpanID().String(), "the caller's span is the parent")
		child, want := byName["slipway.gpuruntime.v1.InferenceService/Generate"], "m"
		if model == "out" {
			child, want = byName["chat gpt-x"], "e"
			_, head := h.provider.last(t)
			require.Contains(t, head.Get("Traceparent"), child.SpanContext.SpanID().String())
		}
		require.Equal(t, server.SpanContext.SpanID(), child.Parent.SpanID())
		require.Equal(t, trace.SpanKindClient, child.SpanKind)
		attrs := map[string]string{}
		for _, a := range server.Attributes {
			attrs[string(a.Key)] = a.Value.String()
		}
		require.Equal(t, "chat", attrs["gen_ai.operation.name"])
		require.Equal(t, model, attrs["gen_ai.request.model"])
		require.Equal(t, want, attrs["slipway.served_entity"])
		require.Equal(t, "200", attrs["http.response.status_code"])
		require.NotEmpty(t, attrs["gen_ai.usage.output_tokens"])
		require.Contains(t, r.header.Get("Traceresponse"), server.SpanContext.SpanID().String())
		require.Equal(t, server.SpanContext.SpanID().String(), h.row(r).GetSpanId())
	}
}
