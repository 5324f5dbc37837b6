package boot

import (
	"bytes"
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"google.golang.org/grpc"
	testv1 "google.golang.org/grpc/interop/grpc_testing"

	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/testkit"
)

// section is the configuration of the service under test.
type section struct {
	Greeting string `yaml:"greeting" doc:"what is said"`
	Loud     bool   `yaml:"loud"`
}

// Validate warns of loudness and refuses silence.
func (s section) Validate() ([]string, error) {
	if s.Greeting == "" {
		return nil, errors.New("echo.greeting must not be empty")
	}
	if s.Loud {
		return []string{"echo.loud wakes the neighbours"}, nil
	}
	return nil, nil
}

type root struct {
	Common `yaml:",inline"`
	Echo   section `yaml:"echo"`
}

func newRoot() *root { return &root{Common: Default("echo"), Echo: section{Greeting: "hello"}} }

// echo is a service whose calls wait to be let go.
type echo struct {
	testv1.UnimplementedTestServiceServer
	settings Settings
	entered  *testkit.Signal[string]
	release  chan struct{}
	startErr error
	ready    error
	stopped  *testkit.Signal[string]
}

func newEcho() *echo {
	return &echo{entered: testkit.NewSignal[string](), release: make(chan struct{}), stopped: testkit.NewSignal[string]()}
}

func (e *echo) Register(r grpc.ServiceRegistrar) { testv1.RegisterTestServiceServer(r, e) }
func (e *echo) Start(context.Context) error      { return e.startErr }
func (e *echo) Ready(context.Context) error      { return e.ready }
func (e *echo) Tune(o *rpc.ServerOptions) {
	o.Public = append(o.Public, testv1.TestService_UnaryCall_FullMethodName)
}
func (e *echo) Stop(context.Context) error { e.stopped.Fire("stopped"); return nil }
func (e *echo) EmptyCall(context.Context, *testv1.Empty) (*testv1.Empty, error) {
	return &testv1.Empty{}, nil
}

func (e *echo) UnaryCall(context.Context, *testv1.SimpleRequest) (*testv1.SimpleResponse, error) {
	e.entered.Fire("entered")
	<-e.release
	return &testv1.SimpleResponse{}, nil
}

// running is a program in a goroutine.
type running struct {
	signals    chan os.Signal
	out, err   *buffer
	addr, http string
	code       chan int
}

// run starts a program and waits until it serves.
func run(t *testing.T, e *echo, args ...string) *running {
	t.Helper()
	type addresses struct{ addr, http string }
	started := testkit.NewSignal[addresses]()
	r := &running{signals: make(chan os.Signal, 2), out: &buffer{}, err: &buffer{}, code: make(chan int, 1)}
	c := newRoot()
	c.Telemetry.LogOutput = r.err
	p := &program{
		name: "echo", root: c, stdout: r.out, stderr: r.err, signals: r.signals,
		open: func(_ context.Context, s Settings) (Service, error) {
			e.settings = s
			return e, nil
		},
		args:    append([]string{"--listen", "127.0.0.1:0", "--set", "http=127.0.0.1:0", "--set", "data=" + t.TempDir()}, args...),
		started: func(addr, http string) { started.Fire(addresses{addr, http}) },
	}
	go func() { r.code <- p.run(context.WithoutCancel(t.Context())) }()
	a := started.Wait(t)
	r.addr, r.http = a.addr, a.http
	return r
}

// once runs a program to its end and returns its code and what it wrote.
func once(t *testing.T, open Open, environ []string, args ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr buffer
	c := newRoot()
	c.Telemetry.LogOutput = &stderr
	c.Data = t.TempDir()
	p := &program{name: "echo", root: c, open: open, args: args, environ: environ, stdout: &stdout, stderr: &stderr, signals: make(chan os.Signal)}
	return p.run(t.Context()), stdout.String(), stderr.String()
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
