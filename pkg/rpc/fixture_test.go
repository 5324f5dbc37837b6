package rpc_test

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	testv1 "google.golang.org/grpc/interop/grpc_testing"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/pkg/testkit"
)

// service answers by functions that a test gives it.
type service struct {
	testv1.UnimplementedTestServiceServer
	unary  func(ctx context.Context, req *testv1.SimpleRequest) (*testv1.SimpleResponse, error)
	output func(ctx context.Context, stream testv1.TestService_StreamingOutputCallServer) error
	duplex func(stream testv1.TestService_FullDuplexCallServer) error
}

func (s *service) UnaryCall(ctx context.Context, req *testv1.SimpleRequest) (*testv1.SimpleResponse, error) {
	if s.unary == nil {
		return &testv1.SimpleResponse{}, nil
	}
	return s.unary(ctx, req)
}

func (s *service) StreamingOutputCall(_ *testv1.StreamingOutputCallRequest, stream testv1.TestService_StreamingOutputCallServer) error {
	if s.output == nil {
		return stream.Send(&testv1.StreamingOutputCallResponse{})
	}
	return s.output(stream.Context(), stream)
}

func (s *service) FullDuplexCall(stream testv1.TestService_FullDuplexCallServer) error {
	return s.duplex(stream)
}

// fixture is a running server and a client of it.
type fixture struct {
	testv1.TestServiceClient
	cc  *grpc.ClientConn
	tel *telemetry.Telemetry
	log *buffer
}

// place is where a fixture's server is, and how its client behaves.
type place struct {
	addr    string
	net     *link.Network
	tls     link.TLS
	foreign bool // a client that knows nothing of us
}

func start(t *testing.T, s *service, tune func(o *rpc.ServerOptions), at place) *fixture {
	t.Helper()
	f := &fixture{tel: telemetry.Discard(), log: &buffer{}}
	f.tel.Log = slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if at.net == nil {
		at.net = link.NewNetwork()
	}
	if at.addr == "" {
		at.addr = "inproc:test"
	}
	l, creds, err := at.net.Listen(at.addr, at.tls)
	require.NoError(t, err)
	o := rpc.ServerOptions{Service: "test", Telemetry: f.tel, Creds: creds, TrustPeers: true}
	if tune != nil {
		tune(&o)
	}
	server, err := rpc.NewServer(o)
	require.NoError(t, err)
	testv1.RegisterTestServiceServer(server, s)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	if l.Addr().Network() == "tcp" {
		at.addr = l.Addr().String()
	}
	opts := rpc.DialOptions("client", o.Telemetry)
	if at.foreign {
		opts = nil
	}
	f.cc, err = at.net.Dial(at.addr, at.tls, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.cc.Close() })
	f.TestServiceClient = testv1.NewTestServiceClient(f.cc)
	return f
}

// as is a context of a caller whom everybody knows.
func as(t *testing.T, name string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	t.Cleanup(cancel)
	return auth.With(ctx, auth.Principal{Name: name, Kind: auth.User, Groups: []string{"staff"}})
}

// counter is the value of a counter with these labels, 0 when there is none.
func (f *fixture) counter(t *testing.T, name string, labels map[string]string) float64 {
	t.Helper()
	families, err := f.tel.Metrics.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			have := make(map[string]string)
			for _, l := range m.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			if maps.Equal(have, labels) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// counted waits for the answered calls of a method and code. The client has its answer before the server has counted it.
func (f *fixture) counted(t *testing.T, method, code string, want float64) {
	t.Helper()
	testkit.Eventually(t, testkit.Patience, func() bool {
		return f.counter(t, "slipway_rpc_server_handled_total", map[string]string{"service": "test", "method": method, "code": code}) == want
	}, "%s with %s was counted %v times", method, code, want)
}

func (f *fixture) logged(t *testing.T, text string) {
	t.Helper()
	testkit.Eventually(t, testkit.Patience, func() bool { return strings.Contains(f.log.String(), text) }, "the log says %q; it says:\n%s", text, f.log)
}

const (
	unaryMethod  = "grpc.testing.TestService/UnaryCall"
	streamMethod = "grpc.testing.TestService/StreamingOutputCall"
)

// receive calls the server stream and reads it to its end.
func (f *fixture) receive(ctx context.Context) error {
	s, err := f.StreamingOutputCall(ctx, &testv1.StreamingOutputCallRequest{})
	if err != nil {
		return err
	}
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
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
