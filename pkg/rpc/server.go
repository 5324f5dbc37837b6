// Package rpc is the manners of every call between our programs. A server runs one chain of named interceptors, the same
// for unary calls and for streams, outermost first:
//
//	requestid → metrics → log → fault → recover → auth → limit → validate → deadline
//
// The order is the argument. requestid comes first because everything after it names the request. metrics and log stand
// outside fault, so that they see the status a caller sees, and the log the cause beside it. recover stands inside fault,
// so that a panic is counted, logged and answered like any other internal error. auth precedes limit, because limits are
// per principal, and both precede validate, which spends time on bytes a stranger sent. Traces are not in the chain: they
// are made by a stats handler, which also sees what happens before and after it.
package rpc

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/telemetry"
)

// DefaultMaxRecvBytes is the largest message a server takes when it does not say.
const DefaultMaxRecvBytes = 4 << 20

// ServerOptions is what differs between servers. Only Service and Telemetry must be set.
type ServerOptions struct {
	Service   string // the name on metrics and log lines
	Log       *slog.Logger
	Telemetry *telemetry.Telemetry
	Creds     credentials.TransportCredentials // what link.Listen returned; nil is plaintext

	// TrustPeers takes the principal that a caller forwards, when the connection has been verified (link.Trusted). On any
	// other connection a forwarded principal is a forgery, and the call is refused.
	TrustPeers bool
	// Authenticate finds the principal of a caller that forwards none. Nil refuses such callers.
	Authenticate func(ctx context.Context, md metadata.MD) (auth.Principal, error)
	// Public lists full methods ("/pkg.Service/Method") that anybody may call. Health is always among them.
	Public []string
	// Limit refuses a call by its error, usually fault.ResourceExhausted. Nil limits nothing.
	Limit func(ctx context.Context, p auth.Principal, method string) error

	MaxRecvBytes int           // 0 is DefaultMaxRecvBytes
	Deadline     time.Duration // of unary calls whose caller sets none; 0 gives them none
	IDs          id.Source     // of request ids; nil is UUIDv7

	// Ready decides the answer of the health service. Nil is always serving.
	Ready func(ctx context.Context) error
	// Drain is closed when the server is about to stop; see Draining.
	Drain <-chan struct{}
	// Extra options come last, so they win.
	Extra []grpc.ServerOption
}

// NewServer builds a server with the chain, traces, health and reflection. It listens to nothing yet.
func NewServer(o ServerOptions) (*grpc.Server, error) {
	if o.Telemetry == nil || o.Service == "" {
		return nil, fault.New("rpc.NewServer", fault.Internal, "a server needs a service name and telemetry")
	}
	o = o.withDefaults()
	chain, err := newChain(o)
	if err != nil {
		return nil, err
	}
	opts := []grpc.ServerOption{
		grpc.Creds(o.Creds),
		grpc.MaxRecvMsgSize(o.MaxRecvBytes),
		grpc.ForceServerCodecV2(codec{}),
		grpc.StatsHandler(otelgrpc.NewServerHandler(traceOptions(o.Telemetry)...)),
		grpc.ChainUnaryInterceptor(chain.unary),
		grpc.ChainStreamInterceptor(chain.stream),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	}
	s := grpc.NewServer(append(opts, o.Extra...)...)
	healthv1.RegisterHealthServer(s, &health{ready: o.Ready, drain: o.Drain})
	reflection.Register(s)
	return s, nil
}

func (o ServerOptions) withDefaults() ServerOptions {
	if o.Log == nil {
		o.Log = o.Telemetry.Log
	}
	if o.Creds == nil {
		o.Creds = insecure.NewCredentials()
	}
	if o.MaxRecvBytes == 0 {
		o.MaxRecvBytes = DefaultMaxRecvBytes
	}
	if o.IDs == nil {
		o.IDs = id.UUIDv7()
	}
	if o.Ready == nil {
		o.Ready = func(context.Context) error { return nil }
	}
	o.Public = append([]string{healthv1.Health_Check_FullMethodName, healthv1.Health_Watch_FullMethodName, healthv1.Health_List_FullMethodName}, o.Public...)
	return o
}

// traceOptions leave health checks out of the traces, and measurements to the chain: two counts of one call never agree.
func traceOptions(t *telemetry.Telemetry) []otelgrpc.Option {
	return []otelgrpc.Option{
		otelgrpc.WithTracerProvider(t.Tracers),
		otelgrpc.WithPropagators(t.Propagator),
		otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider()),
		otelgrpc.WithFilter(filters.Not(filters.HealthCheck())),
	}
}
