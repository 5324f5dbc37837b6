package rpc_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	testv1 "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
)

// remember is a service that writes down who called.
func remember() (*service, func() []auth.Principal) {
	var mu sync.Mutex
	var seen []auth.Principal
	note := func(ctx context.Context) {
		mu.Lock()
		defer mu.Unlock()
		p, _ := auth.From(ctx)
		seen = append(seen, p)
	}
	s := &service{
		unary: func(ctx context.Context, _ *testv1.SimpleRequest) (*testv1.SimpleResponse, error) {
			note(ctx)
			return &testv1.SimpleResponse{}, nil
		},
		output: func(ctx context.Context, _ testv1.TestService_StreamingOutputCallServer) error {
			note(ctx)
			return nil
		},
	}
	return s, func() []auth.Principal {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

// both calls both doors and returns their errors, the end of a stream being none.
func both(ctx context.Context, f *fixture) []error {
	_, unary := f.UnaryCall(ctx, &testv1.SimpleRequest{})
	stream := f.receive(ctx)
	if stream != nil && stream.Error() == "EOF" {
		stream = nil
	}
	return []error{unary, stream}
}

func TestThePrincipalOfTheContextArrives(t *testing.T) {
	t.Parallel()
	mesh := filepath.Join(t.TempDir(), "mesh")
	require.NoError(t, link.IssueMesh(mesh, []string{"test"}, nil))
	for name, at := range map[string]place{
		"in one process": {addr: "inproc:test"},
		"in a mesh":      {addr: "127.0.0.1:0", tls: link.MeshTLS(mesh, "test")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, seen := remember()
			f := start(t, s, nil, at)
			ana := auth.Principal{Name: "ana", Kind: auth.User, Groups: []string{"staff"}}
			for _, err := range both(as(t, "ana"), f) {
				require.NoError(t, err)
			}
			for _, err := range both(auth.With(t.Context(), auth.Service("serving")), f) {
				require.NoError(t, err)
			}
			require.Equal(t, []auth.Principal{ana, ana, auth.Service("serving"), auth.Service("serving")}, seen())
		})
	}
}

func TestACallWithoutAPrincipalIsRefusedAtBothDoors(t *testing.T) {
	t.Parallel()
	s, seen := remember()
	f := start(t, s, nil, place{})
	for _, err := range both(t.Context(), f) {
		require.Equal(t, fault.Unauthenticated, fault.KindOf(err))
	}
	require.Empty(t, seen(), "the handler was not reached")
	f.counted(t, unaryMethod, "Unauthenticated", 1)
	f.counted(t, streamMethod, "Unauthenticated", 1)
}

func TestAForgedPrincipalIsRefusedWhereTheCallerIsNotVerified(t *testing.T) {
	t.Parallel()
	bearer := func(_ context.Context, md metadata.MD) (auth.Principal, error) {
		if len(md.Get("authorization")) == 0 {
			return auth.Principal{}, fault.New("gateway.auth", fault.Unauthenticated, "no token")
		}
		return auth.Principal{Name: "by token", Kind: auth.User}, nil
	}
	forged := metadata.Pairs(auth.MetadataKey, auth.Encode(auth.Principal{Name: "admin", Kind: auth.User, Groups: []string{auth.Admins}}))
	withToken := metadata.Join(forged, metadata.Pairs("authorization", "Bearer x"))
	for name, c := range map[string]struct {
		at   place
		tune func(*rpc.ServerOptions)
		md   metadata.MD
	}{
		"over plaintext TCP":                {place{addr: "127.0.0.1:0", foreign: true}, nil, forged},
		"over plaintext TCP, with a token":  {place{addr: "127.0.0.1:0", foreign: true}, func(o *rpc.ServerOptions) { o.Authenticate = bearer }, withToken},
		"at a public door, even in process": {place{foreign: true}, func(o *rpc.ServerOptions) { o.TrustPeers, o.Authenticate = false, bearer }, withToken},
		"twice":                             {place{foreign: true}, nil, metadata.Join(forged, forged)},
		"unreadable":                        {place{foreign: true}, nil, metadata.Pairs(auth.MetadataKey, "e30")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, seen := remember()
			f := start(t, s, c.tune, c.at)
			for _, err := range both(metadata.NewOutgoingContext(t.Context(), c.md), f) {
				err = rpc.FromStatus(err)
				require.Equal(t, fault.Unauthenticated, fault.KindOf(err), "%v", err)
				require.Contains(t, fault.Reason(err), "PRINCIPAL_")
			}
			require.Empty(t, seen())
		})
	}
}

func TestAPublicDoorAuthenticatesStrangers(t *testing.T) {
	t.Parallel()
	s, seen := remember()
	f := start(t, s, func(o *rpc.ServerOptions) {
		o.Authenticate = func(_ context.Context, md metadata.MD) (auth.Principal, error) {
			if v := md.Get("authorization"); len(v) == 1 && v[0] == "Bearer good" {
				return auth.Principal{Name: "ana", Kind: auth.User}, nil
			}
			return auth.Principal{}, fault.New("gateway.auth", fault.Unauthenticated, "unknown token")
		}
	}, place{addr: "127.0.0.1:0", foreign: true})
	for _, err := range both(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer good"), f) {
		require.NoError(t, err)
	}
	for _, err := range both(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer bad"), f) {
		require.Equal(t, fault.Unauthenticated, fault.KindOf(rpc.FromStatus(err)))
		require.Equal(t, "unknown token", fault.Text(rpc.FromStatus(err)))
	}
	require.Len(t, seen(), 2)
}

func TestPublicMethodsAreOpenAndOthersAreNot(t *testing.T) {
	t.Parallel()
	s, seen := remember()
	f := start(t, s, func(o *rpc.ServerOptions) { o.Public = []string{"/" + unaryMethod} }, place{foreign: true})
	_, err := f.UnaryCall(t.Context(), &testv1.SimpleRequest{})
	require.NoError(t, err)
	require.Equal(t, []auth.Principal{{}}, seen(), "nobody is nobody")
	require.Error(t, f.receive(t.Context()))

	_, err = healthv1.NewHealthClient(f.cc).Check(t.Context(), &healthv1.HealthCheckRequest{})
	require.NoError(t, err, "health is always open")
	list, err := reflectionv1.NewServerReflectionClient(f.cc).ServerReflectionInfo(t.Context())
	require.NoError(t, err)
	_, err = list.Recv()
	require.Equal(t, fault.Unauthenticated, fault.KindOf(rpc.FromStatus(err)), "what there is, is not everybody's business")
}

func TestAHandlersOutgoingMetadataCannotSpeakForAnother(t *testing.T) {
	t.Parallel()
	s, seen := remember()
	f := start(t, s, nil, place{})
	ctx := metadata.AppendToOutgoingContext(as(t, "ana"), auth.MetadataKey, auth.Encode(auth.Service("registry")), "x-other", "kept")
	for _, err := range both(ctx, f) {
		require.NoError(t, err)
	}
	for _, p := range seen() {
		require.Equal(t, "ana", p.Name)
	}
}

func TestALimitIsAskedForEachPrincipalAndMethod(t *testing.T) {
	t.Parallel()
	s, seen := remember()
	f := start(t, s, func(o *rpc.ServerOptions) {
		o.Limit = func(_ context.Context, p auth.Principal, method string) error {
			if p.Name == "bo" {
				return fault.New("limit", fault.ResourceExhausted, "%s is too fast on %s", p.Name, method)
			}
			return nil
		}
	}, place{})
	for _, err := range both(as(t, "ana"), f) {
		require.NoError(t, err)
	}
	for _, err := range both(as(t, "bo"), f) {
		require.Equal(t, fault.ResourceExhausted, fault.KindOf(err))
		require.Contains(t, fault.Text(err), "bo is too fast on /grpc.testing.TestService/")
	}
	require.Len(t, seen(), 2)
}

func TestOfAServerOnAnUnverifiedConnectionOursLearnsNothingMore(t *testing.T) {
	t.Parallel()
	s, _ := remember()
	f := start(t, s, nil, place{addr: "127.0.0.1:0"})
	_, err := f.UnaryCall(as(t, "ana"), &testv1.SimpleRequest{}, grpc.WaitForReady(true))
	require.Equal(t, "PRINCIPAL_NOT_TRUSTED", fault.Reason(err), "a mesh without TLS does not work by accident")
}
