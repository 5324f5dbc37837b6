package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/pkg/testkit"
	gatewayv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gateway/v1"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/gateway"
)

// peers are the four services that a gateway stands between, each with as much of its contract as a gateway sees.
type peers struct {
	net      *link.Network
	registry *registry
	monitor  *monitor
	engine   *engine
	stop     map[string]func()
}

type registry struct {
	registryv1.UnimplementedAccessServiceServer
	registryv1.UnimplementedEventServiceServer
	registryv1.UnimplementedModelServiceServer
	registryv1.UnimplementedCatalogServiceServer
	events chan *registryv1.Event

	mu     sync.Mutex
	grants map[string]*registryv1.AccessAnswer // "principal endpoint"
}

func (r *registry) grant(who, endpoint string, a *registryv1.AccessAnswer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.grants[who+" "+endpoint] = a
}

func (r *registry) CheckAccess(_ context.Context, q *registryv1.CheckAccessRequest) (*registryv1.CheckAccessResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.grants[q.GetPrincipal()+" "+q.GetQuestions()[0].GetSecurable().GetFullName()]
	if a == nil {
		a = &registryv1.AccessAnswer{}
	}
	return &registryv1.CheckAccessResponse{Answers: []*registryv1.AccessAnswer{a}}, nil
}

func (r *registry) WatchEvents(_ *registryv1.WatchEventsRequest, s grpc.ServerStreamingServer[registryv1.WatchEventsResponse]) error {
	for {
		select {
		case e := <-r.events:
			if err := s.Send(&registryv1.WatchEventsResponse{Event: e}); err != nil {
				return err
			}
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
}

func (r *registry) ListCatalogs(ctx context.Context, _ *registryv1.ListCatalogsRequest) (*registryv1.ListCatalogsResponse, error) {
	p, _ := auth.From(ctx)
	return &registryv1.ListCatalogsResponse{Catalogs: []*registryv1.Catalog{{Name: "of-" + p.Name}}}, nil
}

func (r *registry) CreateCatalog(ctx context.Context, q *registryv1.CreateCatalogRequest) (*registryv1.CreateCatalogResponse, error) {
	p, _ := auth.From(ctx)
	return &registryv1.CreateCatalogResponse{Catalog: &registryv1.Catalog{Name: q.GetName(), Owner: p.Name}}, nil
}

// serving sends one table: an endpoint `chat` on one instance.
type serving struct {
	servingv1.UnimplementedRouteServiceServer
}

func (serving) WatchRoutes(s grpc.BidiStreamingServer[servingv1.WatchRoutesRequest, servingv1.WatchRoutesResponse]) error {
	if _, err := s.Recv(); err != nil {
		return err
	}
	entity := &servingv1.EntityRoute{
		Name: "tiny", TrafficPercentage: 100, ModelVersion: "models:/main.demo.tiny/1", Instances: []*servingv1.InstanceRoute{{InstanceId: "i-1", Runtime: "gpu-runtime"}},
	}
	if err := s.Send(&servingv1.WatchRoutesResponse{Revision: 1, Endpoints: []*servingv1.EndpointRoute{
		{Name: "chat", Id: "e-1", ConfigRevision: 1, Entities: []*servingv1.EntityRoute{entity}},
	}}); err != nil {
		return err
	}
	<-s.Context().Done()
	return s.Context().Err()
}

// monitor keeps what is shipped, by the contract of Ingest.
type monitor struct {
	monitorv1.UnimplementedIngestServiceServer
	mu   sync.Mutex
	rows []*monitorv1.InferenceRecord
}

func (m *monitor) Ingest(s grpc.BidiStreamingServer[monitorv1.IngestRequest, monitorv1.IngestResponse]) error {
	if p, _ := auth.From(s.Context()); p.Kind != auth.Internal {
		return fault.New("monitor", fault.PermissionDenied, "internal callers only")
	}
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		m.mu.Lock()
		have := int64(len(m.rows))
		for i, row := range r.GetRecords() {
			if r.GetFirstSeq()+int64(i) == have+1 {
				m.rows = append(m.rows, row)
				have++
			}
		}
		m.mu.Unlock()
		if err := s.Send(&monitorv1.IngestResponse{AckedSeq: have, TableVersion: have}); err != nil {
			return err
		}
	}
}

func (m *monitor) all() []*monitorv1.InferenceRecord {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]*monitorv1.InferenceRecord(nil), m.rows...)
}

// engine is a node with one instance that answers "hello world".
type engine struct {
	gpuruntimev1.UnimplementedInferenceServiceServer
	gpuruntimev1.UnimplementedWatchServiceServer
	gpuruntimev1.UnimplementedRuntimeServiceServer
	hold chan chan struct{} // one waits here for its release, when a test wants it so
}

func (e *engine) WatchInstances(_ *gpuruntimev1.WatchInstancesRequest, s grpc.ServerStreamingServer[gpuruntimev1.WatchInstancesResponse]) error {
	if err := s.Send(&gpuruntimev1.WatchInstancesResponse{Snapshot: true, Instances: []*gpuruntimev1.Instance{
		{InstanceId: "i-1", State: gpuruntimev1.InstanceState_INSTANCE_STATE_READY, Generation: 1, ContextLength: 4096},
	}}); err != nil {
		return err
	}
	<-s.Context().Done()
	return s.Context().Err()
}

func (e *engine) Generate(_ *gpuruntimev1.GenerateRequest, s grpc.ServerStreamingServer[gpuruntimev1.GenerateResponse]) error {
	for _, word := range []string{"hello", " world"} {
		if err := s.Send(&gpuruntimev1.GenerateResponse{Part: &gpuruntimev1.GenerateResponse_Delta{Delta: word}}); err != nil {
			return err
		}
		select {
		case release := <-e.hold:
			<-release
		default:
		}
	}
	return s.Send(&gpuruntimev1.GenerateResponse{Part: &gpuruntimev1.GenerateResponse_Finish{Finish: &gpuruntimev1.Finish{
		Reason: gpuruntimev1.FinishReason_FINISH_REASON_STOP, Usage: &gpuruntimev1.Usage{InputTokens: 3, OutputTokens: 2},
	}}})
}

func (e *engine) LoadModel(ctx context.Context, q *gpuruntimev1.LoadModelRequest) (*gpuruntimev1.LoadModelResponse, error) {
	return &gpuruntimev1.LoadModelResponse{Instance: &gpuruntimev1.Instance{InstanceId: q.GetInstanceId()}}, nil
}

func newPeers(t *testing.T) *peers {
	t.Helper()
	p := &peers{
		net: link.NewNetwork(), registry: &registry{events: make(chan *registryv1.Event), grants: map[string]*registryv1.AccessAnswer{}},
		monitor: &monitor{}, engine: &engine{hold: make(chan chan struct{}, 1)}, stop: map[string]func(){},
	}
	p.start(t, "registry", func(s *grpc.Server) {
		registryv1.RegisterAccessServiceServer(s, p.registry)
		registryv1.RegisterEventServiceServer(s, p.registry)
		registryv1.RegisterModelServiceServer(s, p.registry)
		registryv1.RegisterCatalogServiceServer(s, p.registry)
	})
	p.start(t, "serving", func(s *grpc.Server) { servingv1.RegisterRouteServiceServer(s, serving{}) })
	p.start(t, "monitor", func(s *grpc.Server) { monitorv1.RegisterIngestServiceServer(s, p.monitor) })
	p.start(t, "gpu-runtime", func(s *grpc.Server) {
		gpuruntimev1.RegisterInferenceServiceServer(s, p.engine)
		gpuruntimev1.RegisterWatchServiceServer(s, p.engine)
		gpuruntimev1.RegisterRuntimeServiceServer(s, p.engine)
	})
	return p
}

func (p *peers) start(t *testing.T, name string, register func(*grpc.Server)) {
	t.Helper()
	l, creds, err := p.net.Listen("inproc:"+name, link.TLS{})
	require.NoError(t, err)
	s, err := rpc.NewServer(rpc.ServerOptions{Service: name, Telemetry: telemetry.Discard(), Creds: creds, TrustPeers: true})
	require.NoError(t, err)
	register(s)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	p.stop[name] = s.Stop
}

// house is a whole gateway on real ports.
type house struct {
	*gateway.Service
	dir    string
	log    *buffer
	conn   *grpc.ClientConn
	client *http.Client
}

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

// config is a gateway for tests: free ports, small log files.
func testConfig(change func(*gateway.Config)) gateway.Config {
	c := gateway.Default()
	c.HTTP, c.GRPC = "127.0.0.1:0", "127.0.0.1:0"
	c.Log.Segment, c.Log.Max = 1<<20, 64<<20
	if change != nil {
		change(&c)
	}
	return c
}

func settings(p *peers, dir string, log io.Writer) boot.Settings {
	tel := telemetry.Discard()
	tel.Log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return boot.Settings{
		Log: tel.Log, Telemetry: tel, Net: p.net, Clock: clock.System(), IDs: id.UUIDv7(), DataDir: dir,
		Peers: map[string]string{"registry": "inproc:registry", "serving": "inproc:serving", "monitor": "inproc:monitor", "gpu-runtime": "inproc:gpu-runtime"},
	}
}

// open starts a gateway and waits until it is ready.
func open(t *testing.T, p *peers, dir string, change func(*gateway.Config)) *house {
	t.Helper()
	h := &house{dir: dir, log: &buffer{}, client: &http.Client{Transport: &http.Transport{}}}
	var err error
	h.Service, err = gateway.New(t.Context(), testConfig(change), settings(p, dir, h.log))
	require.NoError(t, err)
	h.MountUI(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ui")) }))
	require.NoError(t, h.Start(t.Context()))
	h.conn = dial(t, h.GRPCAddr())
	t.Cleanup(func() {
		h.client.CloseIdleConnections()
		h.shut(t)
	})
	testkit.Eventually(t, testkit.Patience, func() bool { return h.Ready(t.Context()) == nil }, "ready")
	return h
}

// dial connects to a public gRPC port, as a stranger would.
func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// shut stops the gateway, once or more.
func (h *house) shut(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	require.NoError(t, h.Stop(ctx))
}

// root is the token of the first admin.
func (h *house) root(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(h.dir, "admin.token")) //nolint:gosec // the test's own directory
	require.NoError(t, err)
	return strings.TrimSpace(string(b))
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) reason(t *testing.T) string {
	t.Helper()
	var p struct{ Reason string }
	require.NoError(t, json.Unmarshal([]byte(a.body), &p), a.body)
	return p.Reason
}

// call makes an HTTP request with a token.
func (h *house) call(t *testing.T, token, method, path, body string) answer {
	t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.HTTPAddr()+path, in)
	require.NoError(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w, err := h.client.Do(r)
	require.NoError(t, err)
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return answer{status: w.StatusCode, header: w.Header, body: string(b)}
}

// as is a gRPC context with a token.
func as(t *testing.T, token string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	t.Cleanup(cancel)
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// principal makes a principal and a token of it.
func (h *house) principal(t *testing.T, p *gatewayv1.PutPrincipalRequest, scopes ...string) (token, id string) {
	t.Helper()
	client := gatewayv1.NewPrincipalServiceClient(h.conn)
	_, err := client.PutPrincipal(as(t, h.root(t)), p)
	require.NoError(t, err)
	r, err := client.CreateToken(as(t, h.root(t)), &gatewayv1.CreateTokenRequest{Principal: p.GetName(), Scopes: scopes})
	require.NoError(t, err)
	return r.GetSecret(), r.GetToken().GetTokenId()
}

const question = `{"model":"chat","messages":[{"role":"user","content":"hi"}]}`
