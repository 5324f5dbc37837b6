package proxy_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/pkg/testkit"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/proxy"
	"github.com/slipway-ai/slipway/services/gateway/internal/surface"
)

// owner is a peer that serves one service of each shape, and tells what it saw.
type owner struct {
	registryv1.UnimplementedModelServiceServer
	registryv1.UnimplementedArtifactServiceServer
	registryv1.UnimplementedEventServiceServer
	registryv1.UnimplementedAccessServiceServer
	servingv1.UnimplementedRouteServiceServer

	seen  *testkit.Signal[seen]
	ended *testkit.Signal[error] // why a held call ended
}

type seen struct {
	principal auth.Principal
	requestID string
	traceID   string
	deadline  time.Duration
	md        metadata.MD
}

func (o *owner) see(ctx context.Context) {
	s := seen{requestID: rpc.RequestID(ctx), traceID: telemetry.TraceID(ctx)}
	s.principal, _ = auth.From(ctx)
	s.md, _ = metadata.FromIncomingContext(ctx)
	if at, ok := ctx.Deadline(); ok {
		s.deadline = time.Until(at)
	}
	o.seen.Fire(s)
}

func (o *owner) hold(ctx context.Context) error {
	<-ctx.Done()
	o.ended.Fire(ctx.Err())
	return ctx.Err()
}

func (o *owner) GetModel(ctx context.Context, r *registryv1.GetModelRequest) (*registryv1.GetModelResponse, error) {
	o.see(ctx)
	switch r.GetFullName() {
	case "no.such.model":
		return nil, fault.New("registry.GetModel", fault.NotFound, "model %q does not exist", r.GetFullName()).WithReason("MODEL_NOT_FOUND").WithRetryAfter(3 * time.Second)
	case "broken.by.us":
		return nil, errors.New("password=hunter2 at 10.0.0.7")
	case "holds.for.ever":
		return nil, o.hold(ctx)
	}
	if err := grpc.SetHeader(ctx, metadata.Pairs("x-model-etag", "7", "slipway-principal", "inner")); err != nil {
		return nil, err
	}
	if err := grpc.SetTrailer(ctx, metadata.Pairs("x-took", "1ms")); err != nil {
		return nil, err
	}
	return &registryv1.GetModelResponse{Model: &registryv1.RegisteredModel{FullName: r.GetFullName(), Comment: "日本 🚢"}}, nil
}

func (o *owner) UploadArtifact(s grpc.ClientStreamingServer[registryv1.UploadArtifactRequest, registryv1.UploadArtifactResponse]) error {
	o.see(s.Context())
	sum, size := sha256.New(), int64(0)
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return s.SendAndClose(&registryv1.UploadArtifactResponse{File: &registryv1.ArtifactFile{SizeBytes: size, Sha256: hex.EncodeToString(sum.Sum(nil))}})
		}
		if err != nil {
			o.ended.Fire(err)
			return err
		}
		if m.GetHeader().GetModel() == "no.such.model" {
			return fault.New("registry.UploadArtifact", fault.NotFound, "no such model")
		}
		n, _ := sum.Write(m.GetChunk())
		size += int64(n)
	}
}

func (o *owner) DownloadArtifact(r *registryv1.DownloadArtifactRequest, s grpc.ServerStreamingServer[registryv1.DownloadArtifactResponse]) error {
	for i := range 5 {
		chunk := []byte(strings.Repeat(string(rune('a'+i)), 64<<10))
		if err := s.Send(&registryv1.DownloadArtifactResponse{Part: &registryv1.DownloadArtifactResponse_Chunk{Chunk: chunk}}); err != nil {
			return err
		}
	}
	if r.GetPath() == "torn" {
		return fault.New("registry.DownloadArtifact", fault.DataLoss, "the blob is damaged").WithReason("BLOB_DAMAGED")
	}
	return nil
}

func (o *owner) WatchEvents(_ *registryv1.WatchEventsRequest, s grpc.ServerStreamingServer[registryv1.WatchEventsResponse]) error {
	o.see(s.Context())
	if err := s.Send(&registryv1.WatchEventsResponse{Event: &registryv1.Event{Position: 1}}); err != nil {
		return err
	}
	return o.hold(s.Context())
}

func (o *owner) WatchRoutes(s grpc.BidiStreamingServer[servingv1.WatchRoutesRequest, servingv1.WatchRoutesResponse]) error {
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(&servingv1.WatchRoutesResponse{Revision: m.GetAppliedRevision() + 1}); err != nil {
			return err
		}
	}
}

// door is the proxy on TCP, with an owner behind it over a link, and a client that is nobody's friend.
type door struct {
	owner     *owner
	stopOwner func()
	drain     chan struct{}
	conn      *grpc.ClientConn
}

var who = map[string]auth.Principal{
	"ana":    {Name: "ana", Kind: auth.User, Groups: []string{"team"}},
	"reader": {Name: "reader", Kind: auth.User, Scopes: []string{"read"}},
	"root":   {Name: "root", Kind: auth.User, Groups: []string{auth.Admins}},
}

func authenticate(_ context.Context, md metadata.MD) (auth.Principal, error) {
	for _, v := range md.Get("authorization") {
		if p, ok := who[strings.TrimPrefix(v, "Bearer ")]; ok {
			return p, nil
		}
	}
	return auth.Principal{}, fault.New("test", fault.Unauthenticated, "a token is required").WithReason("CREDENTIAL_MISSING")
}

// public is the platform's surface, with a stream both ways that the platform itself does not show.
func public(t *testing.T) *surface.Surface {
	t.Helper()
	own, err := surface.New()
	require.NoError(t, err)
	s, err := surface.Of(append(own.Services(), surface.Service{
		Owner: "registry", Desc: &servingv1.RouteService_ServiceDesc, Methods: map[string]surface.Need{"WatchRoutes": surface.Look},
	})...)
	require.NoError(t, err)
	return s
}

func open(t *testing.T) *door {
	t.Helper()
	network, tel := link.NewNetwork(), telemetry.Discard()
	d := &door{owner: &owner{seen: testkit.NewSignal[seen](), ended: testkit.NewSignal[error]()}, drain: make(chan struct{})}
	l, creds, err := network.Listen("inproc:registry", link.TLS{})
	require.NoError(t, err)
	peer, err := rpc.NewServer(rpc.ServerOptions{Service: "registry", Telemetry: tel, Creds: creds, TrustPeers: true})
	require.NoError(t, err)
	registryv1.RegisterModelServiceServer(peer, d.owner)
	registryv1.RegisterArtifactServiceServer(peer, d.owner)
	registryv1.RegisterEventServiceServer(peer, d.owner)
	registryv1.RegisterAccessServiceServer(peer, d.owner)
	servingv1.RegisterRouteServiceServer(peer, d.owner)
	go func() { _ = peer.Serve(l) }()
	t.Cleanup(peer.Stop)
	d.stopOwner = peer.Stop
	inner, err := network.Dial("inproc:registry", link.TLS{}, rpc.DialOptions("gateway", telemetry.Discard())...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = inner.Close() })

	server, err := proxy.NewServer(proxy.Options{
		Surface: public(t), Owners: map[string]grpc.ClientConnInterface{"registry": inner}, Authenticate: authenticate,
		Telemetry: telemetry.Discard(), IDs: id.UUIDv7(), Drain: d.drain, Deadline: 20 * time.Second,
	})
	require.NoError(t, err)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(tcp) }()
	t.Cleanup(server.Stop)
	d.conn, err = grpc.NewClient(tcp.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.conn.Close() })
	return d
}

// as is a context with a token and more metadata.
func as(t *testing.T, name string, more ...string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	t.Cleanup(cancel)
	return metadata.AppendToOutgoingContext(ctx, append([]string{"authorization", "Bearer " + name}, more...)...)
}

func (d *door) models() registryv1.ModelServiceClient {
	return registryv1.NewModelServiceClient(d.conn)
}

func requireCode(t *testing.T, want codes.Code, err error) *status.Status {
	t.Helper()
	st, ok := status.FromError(err)
	require.True(t, ok)
	require.Equal(t, want, st.Code(), "%v", err)
	return st
}

func reason(st *status.Status) string {
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

func TestAUnaryCallReachesItsOwnerInItsCallersName(t *testing.T) {
	t.Parallel()
	d := open(t)
	var header, trailer metadata.MD
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	ctx := as(t, "ana", "x-request-id", "req-1", "traceparent", "00-"+trace+"-00f067aa0ba902b7-01", "x-slipway-principal", "forged", "cookie", "secret=1")
	r, err := d.models().GetModel(ctx, &registryv1.GetModelRequest{FullName: "a.b.c"}, grpc.Header(&header), grpc.Trailer(&trailer))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(&registryv1.RegisteredModel{FullName: "a.b.c", Comment: "日本 🚢"}, r.GetModel(), protocmp.Transform()))
	require.Equal(t, []string{"7"}, header.Get("x-model-etag"))
	require.Equal(t, []string{"req-1"}, header.Get("x-request-id"))
	require.Empty(t, header.Get("slipway-principal"))
	require.Equal(t, []string{"1ms"}, trailer.Get("x-took"))

	s := d.owner.seen.Wait(t)
	require.Equal(t, who["ana"], s.principal)
	require.Equal(t, "req-1", s.requestID)
	require.Equal(t, trace, s.traceID)
	for _, key := range []string{"authorization", "x-slipway-principal", "cookie"} {
		require.Empty(t, s.md.Get(key), "%s must end at the door", key)
	}
}

func TestAForgedPrincipalIsRefused(t *testing.T) {
	t.Parallel()
	d := open(t)
	forged := auth.Encode(auth.Principal{Name: "root", Kind: auth.Internal})
	for _, name := range []string{"ana", "nobody"} {
		_, err := d.models().GetModel(as(t, name, auth.MetadataKey, forged), &registryv1.GetModelRequest{FullName: "a.b.c"})
		st := requireCode(t, codes.Unauthenticated, err)
		require.Equal(t, "PRINCIPAL_NOT_TRUSTED", reason(st))
	}
	d.owner.seen.None(t)
}

func TestStreamsPassBothWays(t *testing.T) {
	t.Parallel()
	d := open(t)
	t.Run("to the caller", func(t *testing.T) {
		t.Parallel()
		s, err := registryv1.NewArtifactServiceClient(d.conn).DownloadArtifact(as(t, "reader"), &registryv1.DownloadArtifactRequest{Model: "a.b.c", Version: 1, Path: "x"})
		require.NoError(t, err)
		var got strings.Builder
		for {
			m, err := s.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			got.Write(m.GetChunk())
		}
		want := ""
		for _, c := range "abcde" {
			want += strings.Repeat(string(c), 64<<10)
		}
		require.True(t, want == got.String(), "the bytes differ")
	})
	t.Run("from the caller", func(t *testing.T) {
		t.Parallel()
		s, err := registryv1.NewArtifactServiceClient(d.conn).UploadArtifact(as(t, "ana"))
		require.NoError(t, err)
		require.NoError(t, s.Send(header("a.b.c")))
		sum := sha256.New()
		for range 20 {
			chunk := make([]byte, 1<<20)
			_, _ = rand.Read(chunk)
			sum.Write(chunk)
			require.NoError(t, s.Send(&registryv1.UploadArtifactRequest{Part: &registryv1.UploadArtifactRequest_Chunk{Chunk: chunk}}))
		}
		r, err := s.CloseAndRecv()
		require.NoError(t, err)
		require.EqualValues(t, 20<<20, r.GetFile().GetSizeBytes())
		require.Equal(t, hex.EncodeToString(sum.Sum(nil)), r.GetFile().GetSha256())
	})
	t.Run("both ways in turn", func(t *testing.T) {
		t.Parallel()
		s, err := servingv1.NewRouteServiceClient(d.conn).WatchRoutes(as(t, "ana"))
		require.NoError(t, err)
		for i := range int64(100) {
			require.NoError(t, s.Send(&servingv1.WatchRoutesRequest{AppliedRevision: i}))
			m, err := s.Recv()
			require.NoError(t, err)
			require.Equal(t, i+1, m.GetRevision())
		}
		require.NoError(t, s.CloseSend())
		_, err = s.Recv()
		require.ErrorIs(t, err, io.EOF)
	})
}

func header(model string) *registryv1.UploadArtifactRequest {
	return &registryv1.UploadArtifactRequest{Part: &registryv1.UploadArtifactRequest_Header{Header: &registryv1.UploadArtifactHeader{
		Model: model, Version: 1, File: &registryv1.ArtifactFile{Path: "model.gguf"},
	}}}
}

func TestAnOwnersErrorKeepsCodeTextAndDetails(t *testing.T) {
	t.Parallel()
	d := open(t)
	_, err := d.models().GetModel(as(t, "ana", "x-request-id", "req-2"), &registryv1.GetModelRequest{FullName: "no.such.model"})
	st := requireCode(t, codes.NotFound, err)
	require.Equal(t, `model "no.such.model" does not exist`, st.Message())
	require.Equal(t, "MODEL_NOT_FOUND", reason(st))
	require.True(t, slices.ContainsFunc(st.Details(), func(d any) bool {
		retry, ok := d.(*errdetails.RetryInfo)
		return ok && retry.GetRetryDelay().AsDuration() == 3*time.Second
	}), "%v", st.Details())

	_, err = d.models().GetModel(as(t, "ana"), &registryv1.GetModelRequest{FullName: "x"}) // too short: the owner validates
	st = requireCode(t, codes.InvalidArgument, err)
	require.Equal(t, "FIELD_INVALID", reason(st))
	require.True(t, slices.ContainsFunc(st.Details(), func(d any) bool {
		bad, ok := d.(*errdetails.BadRequest)
		return ok && bad.GetFieldViolations()[0].GetField() == "full_name"
	}), "%v", st.Details())

	s, err := registryv1.NewArtifactServiceClient(d.conn).DownloadArtifact(as(t, "ana"), &registryv1.DownloadArtifactRequest{Model: "a.b.c", Version: 1, Path: "torn"})
	require.NoError(t, err)
	for range 5 {
		_, err := s.Recv()
		require.NoError(t, err)
	}
	_, err = s.Recv()
	require.Equal(t, "BLOB_DAMAGED", reason(requireCode(t, codes.DataLoss, err)))

	up, err := registryv1.NewArtifactServiceClient(d.conn).UploadArtifact(as(t, "ana"))
	require.NoError(t, err)
	require.NoError(t, up.Send(header("no.such.model")))
	_, err = up.CloseAndRecv()
	require.Equal(t, "no such model", requireCode(t, codes.NotFound, err).Message())
}

func TestWhatWentWrongInsideStaysInside(t *testing.T) {
	t.Parallel()
	d := open(t)
	_, err := d.models().GetModel(as(t, "ana"), &registryv1.GetModelRequest{FullName: "broken.by.us"})
	st := requireCode(t, codes.Internal, err)
	require.NotContains(t, st.String(), "hunter2")
	d.stopOwner()
	_, err = d.models().GetModel(as(t, "ana"), &registryv1.GetModelRequest{FullName: "a.b.c"})
	st = requireCode(t, codes.Unavailable, err)
	require.NotContains(t, st.String(), "inproc")
	require.NotContains(t, st.String(), "transport")
}

func TestAnAbsentOwnerIsUnavailable(t *testing.T) {
	t.Parallel()
	d := open(t)
	_, err := monitorv1.NewAlertServiceClient(d.conn).ListAlerts(as(t, "ana"), &monitorv1.ListAlertsRequest{})
	st := requireCode(t, codes.Unavailable, err)
	require.Equal(t, "SERVICE_ABSENT", reason(st))
	require.Contains(t, st.Message(), "monitor")
}

func TestWhatIsNotPublicIsUnimplementedEvenForAdmins(t *testing.T) {
	t.Parallel()
	d := open(t)
	ctx := as(t, "root")
	_, err := registryv1.NewAccessServiceClient(d.conn).RegisterSecurable(ctx, &registryv1.RegisterSecurableRequest{Owner: "root", Securable: &registryv1.Securable{}})
	requireCode(t, codes.Unimplemented, err)
	_, err = registryv1.NewAccessServiceClient(d.conn).UnregisterSecurable(ctx, &registryv1.UnregisterSecurableRequest{Securable: &registryv1.Securable{}})
	requireCode(t, codes.Unimplemented, err)
	ingest, err := monitorv1.NewIngestServiceClient(d.conn).Ingest(ctx)
	require.NoError(t, err)
	_, err = ingest.Recv()
	requireCode(t, codes.Unimplemented, err)
}

func TestScopesAndAdminsAreChecked(t *testing.T) {
	t.Parallel()
	d := open(t)
	_, err := d.models().GetModel(as(t, "reader"), &registryv1.GetModelRequest{FullName: "a.b.c"})
	require.NoError(t, err)
	_, err = d.models().CreateModel(as(t, "reader"), &registryv1.CreateModelRequest{FullName: "a.b.c"})
	require.Equal(t, "SCOPE_MISSING", reason(requireCode(t, codes.PermissionDenied, err)))
	_, err = d.models().CreateModel(as(t, "ana"), &registryv1.CreateModelRequest{FullName: "a.b.c"})
	requireCode(t, codes.Unimplemented, err) // by the owner, who has not written it
	_, err = d.models().GetModel(as(t, "nobody"), &registryv1.GetModelRequest{FullName: "a.b.c"})
	require.Equal(t, "CREDENTIAL_MISSING", reason(requireCode(t, codes.Unauthenticated, err)))
}

func TestTheCallersDeadlineTravelsAndCallsWithoutOneGetOne(t *testing.T) {
	t.Parallel()
	d := open(t)
	ctx, cancel := context.WithTimeout(as(t, "ana"), 10*time.Second)
	defer cancel()
	_, err := d.models().GetModel(ctx, &registryv1.GetModelRequest{FullName: "a.b.c"})
	require.NoError(t, err)
	got := d.owner.seen.Wait(t).deadline
	require.LessOrEqual(t, got, 10*time.Second)
	require.Greater(t, got, 5*time.Second)

	free := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer ana")
	_, err = d.models().GetModel(free, &registryv1.GetModelRequest{FullName: "a.b.c"})
	require.NoError(t, err)
	got = d.owner.seen.Wait(t).deadline
	require.LessOrEqual(t, got, 20*time.Second)
	require.Greater(t, got, 10*time.Second)

	short, stop := context.WithTimeout(as(t, "ana"), 150*time.Millisecond)
	defer stop()
	_, err = d.models().GetModel(short, &registryv1.GetModelRequest{FullName: "holds.for.ever"})
	requireCode(t, codes.DeadlineExceeded, err)
	require.Error(t, d.owner.ended.Wait(t))
}

func TestACallerWhoLeavesEndsTheOwnersCall(t *testing.T) {
	t.Parallel()
	d := open(t)
	ctx, leave := context.WithCancel(as(t, "ana"))
	s, err := registryv1.NewEventServiceClient(d.conn).WatchEvents(ctx, &registryv1.WatchEventsRequest{})
	require.NoError(t, err)
	_, err = s.Recv()
	require.NoError(t, err)
	leave()
	require.ErrorIs(t, d.owner.ended.Wait(t), context.Canceled)

	ctx, leave = context.WithCancel(as(t, "ana"))
	up, err := registryv1.NewArtifactServiceClient(d.conn).UploadArtifact(ctx)
	require.NoError(t, err)
	require.NoError(t, up.Send(header("a.b.c")))
	d.owner.seen.Wait(t) // the watch
	d.owner.seen.Wait(t) // the upload has begun
	leave()
	require.Error(t, d.owner.ended.Wait(t), "half an upload must not look like a whole one")
}

func TestWatchesEndWhenTheDoorShuts(t *testing.T) {
	t.Parallel()
	d := open(t)
	s, err := registryv1.NewEventServiceClient(d.conn).WatchEvents(as(t, "ana"), &registryv1.WatchEventsRequest{})
	require.NoError(t, err)
	_, err = s.Recv()
	require.NoError(t, err)
	close(d.drain)
	_, err = s.Recv()
	require.Equal(t, "SERVER_STOPPING", reason(requireCode(t, codes.Unavailable, err)))
	require.Error(t, d.owner.ended.Wait(t))
}

func TestAMessageTooLargeIsRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	d := open(t)
	_, err := d.models().CreateModel(as(t, "ana"), &registryv1.CreateModelRequest{FullName: "a.b.c", Comment: strings.Repeat("x", 5<<20)})
	requireCode(t, codes.ResourceExhausted, err)
}

func TestHealthIsOpenAndReflectionShowsThePublicServices(t *testing.T) {
	t.Parallel()
	d := open(t)
	h, err := healthv1.NewHealthClient(d.conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, healthv1.HealthCheckResponse_SERVING, h.GetStatus())

	nobody, err := reflectionv1.NewServerReflectionClient(d.conn).ServerReflectionInfo(t.Context())
	require.NoError(t, err)
	_, err = nobody.Recv()
	requireCode(t, codes.Unauthenticated, err)

	s, err := reflectionv1.NewServerReflectionClient(d.conn).ServerReflectionInfo(as(t, "reader"))
	require.NoError(t, err)
	require.NoError(t, s.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}))
	r, err := s.Recv()
	require.NoError(t, err)
	var names []string
	for _, svc := range r.GetListServicesResponse().GetService() {
		names = append(names, svc.GetName())
	}
	for _, svc := range public(t).Services() {
		require.Contains(t, names, svc.Desc.ServiceName)
	}
	require.NotContains(t, names, "slipway.monitor.v1.IngestService")
	require.NoError(t, s.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{
		FileContainingSymbol: "slipway.registry.v1.ModelService",
	}}))
	r, err = s.Recv()
	require.NoError(t, err)
	var file descriptorpb.FileDescriptorProto
	require.NoError(t, proto.Unmarshal(r.GetFileDescriptorResponse().GetFileDescriptorProto()[0], &file))
	require.Equal(t, "slipway/registry/v1/model_service.proto", file.GetName())
}

func TestManyCallsAtOnceDoNotMixTheirMessages(t *testing.T) {
	t.Parallel()
	d := open(t)
	var wait sync.WaitGroup
	for w := range 16 {
		wait.Go(func() {
			for i := range 50 {
				name := "a.b." + strings.Repeat(string(rune('a'+w)), 1+i*40)
				r, err := d.models().GetModel(as(t, "ana"), &registryv1.GetModelRequest{FullName: name})
				if err != nil || r.GetModel().GetFullName() != name {
					t.Errorf("%v: %v", name, err)
				}
			}
		})
	}
	wait.Wait()
}
