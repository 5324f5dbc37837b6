package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/edge"
	"github.com/slipway-ai/slipway/services/gateway/internal/journal"
	"github.com/slipway-ai/slipway/services/gateway/internal/limit"
	"github.com/slipway-ai/slipway/services/gateway/internal/meter"
	"github.com/slipway-ai/slipway/services/gateway/internal/route"
	"github.com/slipway-ai/slipway/services/gateway/internal/ship"
	"github.com/slipway-ai/slipway/services/gateway/internal/upstream"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

// house is a gateway's hot path behind a true HTTP server, with its peers on an in-process network. The peers speak the true
// protocols; what they do is the test's, since faults are what these tests are about.
type house struct {
	t        *testing.T
	url      string
	journal  *journal.Journal
	shipper  *ship.Shipper
	engine   *engine
	serving  *serving
	monitor  *monitor
	provider *provider
	guard    *guard
	spans    *tracetest.InMemoryExporter
	tel      *telemetry.Telemetry
}

type option func(*edge.Settings)

func newHouse(t *testing.T, options ...option) *house {
	t.Helper()
	tel := telemetry.Discard()
	spans := tracetest.NewInMemoryExporter()
	tel.Tracers = sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	tel.Propagator = propagation.TraceContext{}
	h := &house{
		t: t, tel: tel, spans: spans,
		engine:  &engine{states: map[string]gpuruntimev1.InstanceState{}, changed: make(chan struct{}), answer: say("Hello", " world")},
		serving: &serving{acks: make(chan int64, 100), tables: make(chan *servingv1.WatchRoutesResponse)},
		monitor: &monitor{rows: map[string]*monitorv1.InferenceRecord{}},
		guard:   &guard{},
	}
	h.provider = newProvider(t)
	network := link.NewNetwork()
	for name, register := range map[string]func(grpc.ServiceRegistrar){
		"gpu-runtime": func(s grpc.ServiceRegistrar) {
			gpuruntimev1.RegisterInferenceServiceServer(s, h.engine)
			gpuruntimev1.RegisterWatchServiceServer(s, h.engine)
		},
		"serving": func(s grpc.ServiceRegistrar) {
			servingv1.RegisterRouteServiceServer(s, h.serving)
			servingv1.RegisterPromptExecutionServiceServer(s, h.serving)
		},
		"monitor": func(s grpc.ServiceRegistrar) { monitorv1.RegisterIngestServiceServer(s, h.monitor) },
	} {
		serveGRPC(t, network, name, register)
	}
	var bounds edge.Settings
	for _, change := range options {
		change(&bounds)
	}
	h.open(network, bounds)
	h.route(1, endpoint("chat", local("m", 100, "i1")))
	return h
}

// open puts the hot path together as the gateway's door does.
func (h *house) open(network *link.Network, bounds edge.Settings) {
	t, log := h.t, slog.New(slog.DiscardHandler)
	t.Helper()
	dial := func(name string) (*grpc.ClientConn, error) {
		cc, err := network.Dial("inproc:"+name, link.TLS{}, rpc.DialOptions("gateway", h.tel)...)
		if err == nil {
			t.Cleanup(func() { _ = cc.Close() })
		}
		return cc, err
	}
	serving, err := dial("serving")
	require.NoError(t, err)
	monitor, err := dial("monitor")
	require.NoError(t, err)
	h.journal, err = journal.Open(journal.Options{WAL: wal.Options{Dir: t.TempDir(), IDs: id.UUIDv7()}, Clock: clock.System()})
	require.NoError(t, err)
	engines := upstream.NewEngines(dial)
	router := route.New(route.Options{GatewayID: "g", Serving: serving, Runtime: engines.Conn, Clock: clock.System(), Log: log})
	h.shipper = ship.New(ship.Options{Log: h.journal.Log(), Row: h.journal.Row, Monitor: monitor, Clock: clock.System(), Logger: log, Linger: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	var loops sync.WaitGroup
	loops.Go(func() { _ = router.Run(ctx) })
	loops.Go(func() { _ = h.shipper.Run(ctx) })
	server := httptest.NewServer(edge.New(edge.Deps{
		Auth: h.guard, Access: h.guard, Limits: h.guard, Providers: h.provider, Routes: router, Engines: engines,
		HTTP: upstream.NewHTTP(upstream.HTTPOptions{}), Prompts: servingv1.NewPromptExecutionServiceClient(serving), Journal: h.journal,
		Meter: meter.New(prometheus.NewRegistry()), Tracer: h.tel.Tracer("edge"), Propagator: h.tel.Propagator, Log: log,
		Clock: clock.System(), IDs: id.UUIDv7(), Settings: bounds,
	}))
	h.url = server.URL
	t.Cleanup(func() {
		server.Close()
		cancel()
		loops.Wait()
		require.NoError(t, h.journal.Close())
	})
}

func serveGRPC(t *testing.T, network *link.Network, name string, register func(grpc.ServiceRegistrar)) {
	t.Helper()
	l, creds, err := network.Listen("inproc:"+name, link.TLS{})
	require.NoError(t, err)
	s, err := rpc.NewServer(rpc.ServerOptions{Service: name, Log: slog.New(slog.DiscardHandler), Telemetry: telemetry.Discard(), Creds: creds, TrustPeers: true})
	require.NoError(t, err)
	register(s)
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(l) })
	t.Cleanup(func() { s.Stop(); served.Wait() })
}

// route puts a table in force.
func (h *house) route(revision int64, endpoints ...*servingv1.EndpointRoute) {
	h.t.Helper()
	h.serving.tables <- &servingv1.WatchRoutesResponse{Revision: revision, Endpoints: endpoints}
	for {
		select {
		case got := <-h.serving.acks:
			if got == revision {
				return
			}
		case <-time.After(10 * time.Second):
			h.t.Fatal("the routes were not applied")
		}
	}
}

func endpoint(name string, entities ...*servingv1.EntityRoute) *servingv1.EndpointRoute {
	return &servingv1.EndpointRoute{Name: name, Id: id.UUIDv7().New(), ConfigRevision: 7, Entities: entities}
}

func local(name string, share int32, instances ...string) *servingv1.EntityRoute {
	e := &servingv1.EntityRoute{Name: name, TrafficPercentage: share, ModelVersion: "models:/c.s." + name + "/1"}
	for _, i := range instances {
		e.Instances = append(e.Instances, &servingv1.InstanceRoute{InstanceId: i, Runtime: "gpu-runtime"})
	}
	return e
}

func external(name, task string) *servingv1.EntityRoute {
	return &servingv1.EntityRoute{Name: name, TrafficPercentage: 100, External: &servingv1.ExternalEntity{Provider: "openai", Model: "gpt-x", Task: task}}
}

// reply is an answer as a client sees it.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) json(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.body), &m), r.body)
	return m
}

// path digs into a decoded JSON value: keys and indexes.
func path(v any, steps ...any) any {
	for _, s := range steps {
		switch s := s.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			a, _ := v.([]any)
			if s >= len(a) {
				return nil
			}
			v = a[s]
		}
	}
	return v
}

func (h *house) request(method, path, body string, headers ...string) *http.Request {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	require.NoError(h.t, err)
	r.Header.Set("Authorization", "Bearer ann")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func (h *house) do(r *http.Request) reply {
	h.t.Helper()
	resp, err := http.DefaultClient.Do(r)
	require.NoError(h.t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(h.t, err)
	return reply{resp.StatusCode, resp.Header, string(body)}
}

func (h *house) post(path, body string, headers ...string) reply {
	h.t.Helper()
	return h.do(h.request(http.MethodPost, path, body, headers...))
}

func (h *house) get(path string, headers ...string) reply {
	h.t.Helper()
	return h.do(h.request(http.MethodGet, path, "", headers...))
}

// row is what the monitor has of an answered request.
func (h *house) row(r reply) *monitorv1.InferenceRecord {
	h.t.Helper()
	return h.rowOf(r.header.Get("X-Request-Id"))
}

func (h *house) rowOf(id string) *monitorv1.InferenceRecord {
	h.t.Helper()
	h.drain()
	h.monitor.mu.Lock()
	defer h.monitor.mu.Unlock()
	row := h.monitor.rows[id]
	require.NotNil(h.t, row, "request %s has no row", id)
	return row
}

func (h *house) drain() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(h.t, h.shipper.Drain(ctx))
}

// rows are all rows, in no order.
func (h *house) rows() []*monitorv1.InferenceRecord {
	h.t.Helper()
	h.drain()
	h.monitor.mu.Lock()
	defer h.monitor.mu.Unlock()
	var all []*monitorv1.InferenceRecord
	for _, r := range h.monitor.rows {
		all = append(all, r)
	}
	return all
}

// events are the data of an event stream's frames.
func events(t *testing.T, body string) []string {
	t.Helper()
	var found []string
	lines := bufio.NewScanner(strings.NewReader(body))
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			found = append(found, data)
		}
	}
	return found
}

// streamed puts a chat stream's text together and returns its last event.
func streamed(t *testing.T, body string) (text, last string) {
	t.Helper()
	for _, e := range events(t, body) {
		last = e
		var chunk struct {
			Choices []struct {
				Delta struct{ Content string }
			}
		}
		if json.Unmarshal([]byte(e), &chunk) == nil && len(chunk.Choices) > 0 {
			text += chunk.Choices[0].Delta.Content
		}
	}
	return text, last
}

// guard answers the edge's four questions as the test wants.
type guard struct {
	refused  sync.Map // endpoint → error
	exceeded atomic.Bool
	panics   atomic.Bool
}

func (g *guard) Authenticate(r *http.Request) (auth.Principal, error) {
	switch token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "); token {
	case "":
		return auth.Principal{}, fault.New("guard", fault.Unauthenticated, "a token is required")
	case "expired":
		return auth.Principal{}, fault.New("guard", fault.Unauthenticated, "the token has expired")
	default:
		return auth.Principal{Name: token, Kind: auth.User}, nil
	}
}

func (g *guard) MayQuery(_ context.Context, _ auth.Principal, endpoint string) error {
	if g.panics.Load() {
		panic("guard")
	}
	if err, ok := g.refused.Load(endpoint); ok {
		return err.(error)
	}
	return nil
}

func (g *guard) Admit(auth.Principal) limit.Decision {
	if g.exceeded.Load() {
		return limit.Decision{Limit: 60, Reset: 30 * time.Second, RetryAfter: 1500 * time.Millisecond}
	}
	return limit.Decision{Allowed: true, Limit: 60, Remaining: 59, Reset: time.Second}
}

// engine is a gpu-runtime whose models say what the test tells them to.
type engine struct {
	gpuruntimev1.UnimplementedInferenceServiceServer
	gpuruntimev1.UnimplementedWatchServiceServer
	mu      sync.Mutex
	answer  func(r *gpuruntimev1.GenerateRequest, out grpc.ServerStreamingServer[gpuruntimev1.GenerateResponse]) error
	embed   func(r *gpuruntimev1.EmbedRequest) (*gpuruntimev1.EmbedResponse, error)
	states  map[string]gpuruntimev1.InstanceState
	changed chan struct{}
	calls   []*gpuruntimev1.GenerateRequest
	running atomic.Int64
}

func (e *engine) answers(f func(r *gpuruntimev1.GenerateRequest, out grpc.ServerStreamingServer[gpuruntimev1.GenerateResponse]) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = f
}

func (e *engine) Generate(r *gpuruntimev1.GenerateRequest, out grpc.ServerStreamingServer[gpuruntimev1.GenerateResponse]) error {
	e.running.Add(1)
	defer e.running.Add(-1)
	e.mu.Lock()
	e.calls = append(e.calls, r)
	answer := e.answer
	e.mu.Unlock()
	return answer(r, out)
}

func (e *engine) Embed(_ context.Context, r *gpuruntimev1.EmbedRequest) (*gpuruntimev1.EmbedResponse, error) {
	e.mu.Lock()
	embed := e.embed
	e.mu.Unlock()
	return embed(r)
}

func (e *engine) last() *gpuruntimev1.GenerateRequest {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls[len(e.calls)-1]
}

// state tells the watchers.
func (e *engine) state(instance string, s gpuruntimev1.InstanceState) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.states[instance] = s
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *engine) WatchInstances(_ *gpuruntimev1.WatchInstancesRequest, out grpc.ServerStreamingServer[gpuruntimev1.WatchInstancesResponse]) error {
	for {
		e.mu.Lock()
		m := &gpuruntimev1.WatchInstancesResponse{Snapshot: true}
		for i, s := range e.states {
			m.Instances = append(m.Instances, &gpuruntimev1.Instance{InstanceId: i, State: s})
		}
		changed := e.changed
		e.mu.Unlock()
		if err := out.Send(m); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-out.Context().Done():
			return nil
		}
	}
}

func delta(text string) *gpuruntimev1.GenerateResponse {
	return &gpuruntimev1.GenerateResponse{Part: &gpuruntimev1.GenerateResponse_Delta{Delta: text}}
}

func finish(in, out int64) *gpuruntimev1.GenerateResponse {
	return &gpuruntimev1.GenerateResponse{Part: &gpuruntimev1.GenerateResponse_Finish{Finish: &gpuruntimev1.Finish{
		Reason: gpuruntimev1.FinishReason_FINISH_REASON_STOP, Usage: &gpuruntimev1.Usage{InputTokens: in, OutputTokens: out}, QueueUs: 11,
	}}}
}

// say answers with these pieces.
func say(pieces ...string) func(*gpuruntimev1.GenerateRequest, grpc.ServerStreamingServer[gpuruntimev1.GenerateResponse]) error {
	return func(_ *gpuruntimev1.GenerateRequest, out grpc.ServerStreamingServer[gpuruntimev1.GenerateResponse]) error {
		for _, p := range pieces {
			if err := out.Send(delta(p)); err != nil {
				return err
			}
		}
		return out.Send(finish(5, int64(len(pieces))))
	}
}

// serving sends tables and renders prompts.
type serving struct {
	servingv1.UnimplementedRouteServiceServer
	servingv1.UnimplementedPromptExecutionServiceServer
	tables chan *servingv1.WatchRoutesResponse
	acks   chan int64
	render func(*servingv1.RenderPromptRequest) (*servingv1.RenderPromptResponse, error)
}

func (s *serving) WatchRoutes(stream grpc.BidiStreamingServer[servingv1.WatchRoutesRequest, servingv1.WatchRoutesResponse]) error {
	for {
		ack, err := stream.Recv()
		if err != nil {
			return err
		}
		s.acks <- ack.GetAppliedRevision()
		select {
		case table := <-s.tables:
			if err := stream.Send(table); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return nil
		}
	}
}

func (s *serving) RenderPrompt(_ context.Context, r *servingv1.RenderPromptRequest) (*servingv1.RenderPromptResponse, error) {
	return s.render(r)
}

// monitor keeps rows by request id and complains about doubles.
type monitor struct {
	monitorv1.UnimplementedIngestServiceServer
	mu      sync.Mutex
	acked   int64
	rows    map[string]*monitorv1.InferenceRecord
	doubled []string
}

func (m *monitor) Ingest(s grpc.BidiStreamingServer[monitorv1.IngestRequest, monitorv1.IngestResponse]) error {
	for {
		req, err := s.Recv()
		if err != nil {
			return err
		}
		m.mu.Lock()
		for i, r := range req.GetRecords() {
			if seq := req.GetFirstSeq() + int64(i); seq == m.acked+1 {
				m.acked = seq
				if m.rows[r.GetRequestId()] != nil {
					m.doubled = append(m.doubled, r.GetRequestId())
				}
				m.rows[r.GetRequestId()] = r
			}
		}
		acked := m.acked
		m.mu.Unlock()
		if err := s.Send(&monitorv1.IngestResponse{AckedSeq: acked}); err != nil {
			return err
		}
	}
}

// provider is an OpenAI-compatible server of the test's.
type provider struct {
	server *httptest.Server
	mu     sync.Mutex
	answer http.HandlerFunc
	bodies []string
	heads  []http.Header
}

const providerKey = "sk-very-secret-key"

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.bodies, p.heads = append(p.bodies, r.URL.Path+" "+string(body)), append(p.heads, r.Header.Clone())
		answer := p.answer
		p.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer(w, r)
	}))
	t.Cleanup(p.server.Close)
	return p
}

func (p *provider) answers(f http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = f
}

func (p *provider) Lookup(name string) (edge.Provider, bool) {
	return edge.Provider{Name: name, BaseURL: p.server.URL + "/v1", Key: providerKey}, name == "openai"
}

func (p *provider) last(t *testing.T) (body string, head http.Header) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.NotEmpty(t, p.bodies)
	return p.bodies[len(p.bodies)-1], p.heads[len(p.heads)-1]
}

// frames sends events, each flushed.
func frames(w http.ResponseWriter, data ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, d := range data {
		_, _ = fmt.Fprintf(w, "data: %s\n\n", d)
		w.(http.Flusher).Flush()
	}
}

const ask = `{"model":"chat","messages":[{"role":"user","content":"Say hello"}]}`

func asking(members string) string { return strings.TrimSuffix(ask, "}") + "," + members + "}" }
