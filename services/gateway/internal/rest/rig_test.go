package rest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/pkg/testkit"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/front"
	"github.com/slipway-ai/slipway/services/gateway/internal/rest"
	"github.com/slipway-ai/slipway/services/gateway/internal/surface"
)

const maxBody = 64 << 10

// registry is a peer that keeps models and their files in memory, by the contract of its services.
type registry struct {
	registryv1.UnimplementedModelServiceServer
	registryv1.UnimplementedArtifactServiceServer
	seen    *testkit.Signal[seen]
	aborted *testkit.Signal[error] // uploads that did not end well

	mu    sync.Mutex
	files map[string][]byte
}

type seen struct {
	principal auth.Principal
	requestID string
	traceID   string
	md        metadata.MD
}

func (g *registry) GetModel(ctx context.Context, r *registryv1.GetModelRequest) (*registryv1.GetModelResponse, error) {
	s := seen{requestID: rpc.RequestID(ctx), traceID: telemetry.TraceID(ctx)}
	s.principal, _ = auth.From(ctx)
	s.md, _ = metadata.FromIncomingContext(ctx)
	g.seen.Fire(s)
	switch r.GetFullName() {
	case "no.such.model":
		return nil, fault.New("registry", fault.NotFound, "model %q does not exist", r.GetFullName()).WithReason("MODEL_NOT_FOUND")
	case "too.many.calls":
		return nil, fault.New("registry", fault.ResourceExhausted, "slow down").WithRetryAfter(1500 * time.Millisecond)
	case "in.the.way":
		return nil, fault.New("registry", fault.FailedPrecondition, "it is served")
	case "broken.by.us":
		return nil, errors.New("password=hunter2 at 10.0.0.7")
	case "panics.over.there":
		panic("hunter2")
	}
	return &registryv1.GetModelResponse{Model: &registryv1.RegisteredModel{FullName: r.GetFullName(), LatestVersion: 1 << 60}}, nil
}

func (g *registry) CreateModel(_ context.Context, r *registryv1.CreateModelRequest) (*registryv1.CreateModelResponse, error) {
	return &registryv1.CreateModelResponse{Model: &registryv1.RegisteredModel{FullName: r.GetFullName(), Comment: r.GetComment(), Tags: r.GetTags()}}, nil
}

func (g *registry) UploadArtifact(s grpc.ClientStreamingServer[registryv1.UploadArtifactRequest, registryv1.UploadArtifactResponse]) error {
	first, err := s.Recv()
	if err != nil {
		g.aborted.Fire(err)
		return err
	}
	h := first.GetHeader()
	if h.GetModel() == "no.such.model" {
		return fault.New("registry", fault.NotFound, "no such model").WithReason("MODEL_NOT_FOUND")
	}
	var body bytes.Buffer
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			g.aborted.Fire(err)
			return err
		}
		body.Write(m.GetChunk())
	}
	sum := sha256.Sum256(body.Bytes())
	got := hex.EncodeToString(sum[:])
	if want := h.GetFile().GetSha256(); want != "" && want != got {
		return fault.New("registry", fault.Invalid, "the SHA-256 is %s, not %s", got, want).WithReason("SHA256_MISMATCH")
	}
	if h.GetSizeKnown() && h.GetFile().GetSizeBytes() != int64(body.Len()) {
		return fault.New("registry", fault.Invalid, "the size differs").WithReason("SIZE_MISMATCH")
	}
	if body.Len() == 0 {
		return fault.New("registry", fault.Invalid, "an empty file is no model").WithReason("EMPTY_FILE")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.files[h.GetModel()+" "+h.GetFile().GetPath()] = body.Bytes()
	return s.SendAndClose(&registryv1.UploadArtifactResponse{File: &registryv1.ArtifactFile{Path: h.GetFile().GetPath(), SizeBytes: int64(body.Len()), Sha256: got}})
}

func (g *registry) DownloadArtifact(r *registryv1.DownloadArtifactRequest, s grpc.ServerStreamingServer[registryv1.DownloadArtifactResponse]) error {
	g.mu.Lock()
	body, ok := g.files[r.GetModel()+" "+r.GetPath()]
	g.mu.Unlock()
	if !ok {
		return fault.New("registry", fault.NotFound, "no such file").WithReason("ARTIFACT_NOT_FOUND")
	}
	if r.GetOffset() > int64(len(body)) {
		return fault.New("registry", fault.Invalid, "offset is behind the end")
	}
	sum := sha256.Sum256(body)
	if err := s.Send(&registryv1.DownloadArtifactResponse{Part: &registryv1.DownloadArtifactResponse_File{File: &registryv1.ArtifactFile{
		Path: r.GetPath(), SizeBytes: int64(len(body)), Sha256: hex.EncodeToString(sum[:]),
	}}}); err != nil {
		return err
	}
	for rest := body[r.GetOffset():]; len(rest) > 0; {
		n := min(len(rest), 100<<10)
		if err := s.Send(&registryv1.DownloadArtifactResponse{Part: &registryv1.DownloadArtifactResponse_Chunk{Chunk: rest[:n]}}); err != nil {
			return err
		}
		rest = rest[n:]
		if r.GetPath() == "torn" {
			return fault.New("registry", fault.DataLoss, "the blob is damaged")
		}
	}
	return nil
}

func (g *registry) stored(name string) ([]byte, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b, ok := g.files[name]
	return b, ok
}

// rig is the HTTP port with a registry behind it.
type rig struct {
	*httptest.Server
	registry *registry
	stop     func() // the registry
	log      *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var who = map[string]auth.Principal{
	"ana":    {Name: "ana", Kind: auth.User, Groups: []string{"team"}},
	"reader": {Name: "reader", Kind: auth.User, Scopes: []string{"read"}},
	"model":  {Name: "model", Kind: auth.User, Scopes: []string{"inference"}},
}

func authenticate(r *http.Request) (auth.Principal, error) {
	if p, ok := who[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]; ok {
		return p, nil
	}
	return auth.Principal{}, fault.New("test", fault.Unauthenticated, "a token is required").WithReason("CREDENTIAL_MISSING")
}

func open(t *testing.T) *rig {
	t.Helper()
	network := link.NewNetwork()
	g := &rig{registry: &registry{seen: testkit.NewSignal[seen](), aborted: testkit.NewSignal[error](), files: map[string][]byte{}}, log: &lockedBuffer{}}
	l, creds, err := network.Listen("inproc:registry", link.TLS{})
	require.NoError(t, err)
	peer, err := rpc.NewServer(rpc.ServerOptions{Service: "registry", Telemetry: telemetry.Discard(), Creds: creds, TrustPeers: true})
	require.NoError(t, err)
	registryv1.RegisterModelServiceServer(peer, g.registry)
	registryv1.RegisterArtifactServiceServer(peer, g.registry)
	go func() { _ = peer.Serve(l) }()
	t.Cleanup(peer.Stop)
	g.stop = peer.Stop
	conn, err := network.Dial("inproc:registry", link.TLS{}, rpc.DialOptions("gateway", telemetry.Discard())...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })

	s, err := surface.New()
	require.NoError(t, err)
	api, err := rest.New(t.Context(), rest.Options{
		Surface: s, Owners: map[string]grpc.ClientConnInterface{"registry": conn}, Authenticate: authenticate,
		MaxBody: maxBody, MaxArtifact: 64 << 20, Deadline: testkit.Patience,
	})
	require.NoError(t, err)
	openapi, err := rest.OpenAPI("v1.2.3")
	require.NoError(t, err)
	tel := telemetry.Discard()
	tel.Log = slog.New(slog.NewJSONHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	handler, err := front.New(front.Options{
		Edge: http.NotFoundHandler(), API: api, OpenAPI: openapi, Authenticate: authenticate, Telemetry: tel, IDs: id.UUIDv7(),
		Ready: func(context.Context) error { return nil },
	})
	require.NoError(t, err)
	g.Server = httptest.NewServer(handler)
	t.Cleanup(g.Close)
	return g
}

type answer struct {
	*http.Response
	body []byte
}

func (a answer) problem(t *testing.T) rest.Problem {
	t.Helper()
	require.Equal(t, "application/json", a.Header.Get("Content-Type"), "%s", a.body)
	var p rest.Problem
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&p), "%s", a.body)
	require.Equal(t, a.Header.Get("X-Request-Id"), p.RequestID)
	return p
}

// call makes a request as somebody; headers are name, value pairs.
func (g *rig) call(t *testing.T, token, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, g.URL+path, body)
	require.NoError(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w, err := g.Client().Do(r)
	require.NoError(t, err)
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return answer{Response: w, body: b}
}
