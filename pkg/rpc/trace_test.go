package rpc_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	testv1 "google.golang.org/grpc/interop/grpc_testing"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/testkit"
)

// TestOneRequestIsOneTraceInBothTopologies calls through three services, a stream and a unary call deep, once in one
// process and once over TCP with mutual TLS. The tree is the same: only addresses differ.
func TestOneRequestIsOneTraceInBothTopologies(t *testing.T) {
	t.Parallel()
	mesh := filepath.Join(t.TempDir(), "mesh")
	require.NoError(t, link.IssueMesh(mesh, []string{"gateway", "serving", "registry"}, nil))
	for name, c := range map[string]struct {
		addr func(service string) string
		tls  func(service string) link.TLS
	}{
		"one process": {func(s string) string { return "inproc:" + s }, func(string) link.TLS { return link.TLS{} }},
		"a mesh":      {func(string) string { return "127.0.0.1:0" }, func(s string) link.TLS { return link.MeshTLS(mesh, s) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			traces, network := testkit.NewTraces(t), link.NewNetwork()
			dial := func(from, addr string) testv1.TestServiceClient {
				cc, err := network.Dial(addr, c.tls(from), rpc.DialOptions(from, testkit.Telemetry(t, traces, from))...)
				require.NoError(t, err)
				t.Cleanup(func() { _ = cc.Close() })
				return testv1.NewTestServiceClient(cc)
			}
			serve := func(name string, s *service) string {
				l, creds, err := network.Listen(c.addr(name), c.tls(name))
				require.NoError(t, err)
				server, err := rpc.NewServer(rpc.ServerOptions{Service: name, Telemetry: testkit.Telemetry(t, traces, name), Creds: creds, TrustPeers: true})
				require.NoError(t, err)
				testv1.RegisterTestServiceServer(server, s)
				go func() { _ = server.Serve(l) }()
				t.Cleanup(server.Stop)
				if l.Addr().Network() == "tcp" {
					return l.Addr().String()
				}
				return c.addr(name)
			}
			registry := dial("serving", serve("registry", &service{unary: func(context.Context, *testv1.SimpleRequest) (*testv1.SimpleResponse, error) {
				return nil, fault.New("registry.Get", fault.NotFound, "no such model")
			}}))
			serving := dial("gateway", serve("serving", &service{output: func(ctx context.Context, _ testv1.TestService_StreamingOutputCallServer) error {
				_, err := registry.UnaryCall(ctx, &testv1.SimpleRequest{})
				return fault.Wrap("serving.Deploy", fault.FailedPrecondition, err, "the model is not there")
			}}))
			tel := testkit.Telemetry(t, traces, "gateway")
			ctx, span := tel.Tracer("test").Start(as(t, "ana"), "POST /v1/chat/completions")
			stream, err := serving.StreamingOutputCall(ctx, &testv1.StreamingOutputCallRequest{})
			require.NoError(t, err)
			_, err = stream.Recv()
			require.Equal(t, fault.FailedPrecondition, fault.KindOf(err))
			span.End()

			traces.RequireTree(t, span.SpanContext().TraceID().String(), `
				gateway: POST /v1/chat/completions
					gateway: grpc.testing.TestService/StreamingOutputCall
						serving: grpc.testing.TestService/StreamingOutputCall
							serving: grpc.testing.TestService/UnaryCall
								registry: grpc.testing.TestService/UnaryCall
			`)
			require.Len(t, traces.TraceIDs(), 1)
		})
	}
}

func TestHealthChecksAreNotTraced(t *testing.T) {
	t.Parallel()
	traces := testkit.NewTraces(t)
	tel := testkit.Telemetry(t, traces, "registry")
	f := start(t, &service{}, func(o *rpc.ServerOptions) { o.Telemetry = tel }, place{})
	_, err := healthv1.NewHealthClient(f.cc).Check(t.Context(), &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	_, err = f.UnaryCall(as(t, "ana"), &testv1.SimpleRequest{})
	require.NoError(t, err)
	unary := traces.Find(t, "the unary call", func(s testkit.Span) bool { return s.Name == unaryMethod })
	traces.RequireTree(t, unary.TraceID, `
		registry: grpc.testing.TestService/UnaryCall
			registry: grpc.testing.TestService/UnaryCall
	`)
	require.Len(t, traces.TraceIDs(), 1)
}
