// Package proxy is the public gRPC door. It knows who calls, checks that the token is good for the method, and hands the
// call to the service that owns it, message by message, without looking into them: the owner reads, validates and decides.
// What crosses the door is what is named here. Inwards: the messages, the deadline, the end of the call, and, from the
// context, the principal, the request's id and the trace. Outwards: messages, headers, trailers and the status with its
// details. A caller's own metadata ends here, its token first of all.
package proxy

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/services/gateway/internal/surface"
)

// Options of the door.
type Options struct {
	Surface *surface.Surface
	// Owners are connections to the services that own the methods, by name. One that is missing makes its methods
	// Unavailable, not the door.
	Owners       map[string]grpc.ClientConnInterface
	Authenticate func(ctx context.Context, md metadata.MD) (auth.Principal, error)
	Telemetry    *telemetry.Telemetry
	Creds        credentials.TransportCredentials // nil is plaintext
	IDs          id.Source
	Ready        func(ctx context.Context) error
	Drain        <-chan struct{} // closed when the door is about to shut
	Deadline     time.Duration   // of calls with one answer whose caller set none
	MaxRecvBytes int             // largest message taken; 0 is rpc's default
}

// NewServer builds the door. It listens to nothing yet.
func NewServer(o Options) (*grpc.Server, error) {
	s, err := rpc.NewServer(rpc.ServerOptions{
		Service: "gateway-public", Telemetry: o.Telemetry, Creds: o.Creds, IDs: o.IDs, Ready: o.Ready, Drain: o.Drain, MaxRecvBytes: o.MaxRecvBytes,
		Authenticate: o.Authenticate,
		Limit: func(_ context.Context, p auth.Principal, method string) error {
			if !isOurs(method) { // health, which is open, and reflection, which any token may ask
				return nil
			}
			return o.Surface.Admit(p, method)
		},
		// The interceptor set singly runs before the chain, whose status it may replace.
		Extra: []grpc.ServerOption{grpc.ForceServerCodecV2(codec{}), grpc.StreamInterceptor(keepStatus)},
	})
	if err != nil {
		return nil, err
	}
	for _, svc := range o.Surface.Services() {
		register(s, svc, o.Owners[svc.Owner], o.Deadline)
	}
	return s, nil
}

func isOurs(method string) bool { return strings.HasPrefix(method, "/slipway.") }

// register puts the public methods of a service on the server. They stand there under their own names and kinds, so that
// reflection, metrics and logs see the services as their owners would show them; the server itself refuses what is not
// registered.
func register(s *grpc.Server, svc surface.Service, owner grpc.ClientConnInterface, deadline time.Duration) {
	desc := &grpc.ServiceDesc{ServiceName: svc.Desc.ServiceName, Metadata: svc.Desc.Metadata}
	for name := range svc.Methods {
		stream, _ := svc.Stream(name) // surface.Of has made sure of it
		p := passage{method: svc.FullMethod(name), stream: stream, owner: owner, service: svc.Owner}
		if !stream.ServerStreams && !stream.ClientStreams {
			p.deadline = deadline
		}
		stream.ServerStreams = true // gRPC runs the chain for streams only; on the wire one answer is a short stream
		stream.Handler = func(_ any, ss grpc.ServerStream) error { return p.carry(ss) }
		desc.Streams = append(desc.Streams, stream)
	}
	s.RegisterService(desc, nil)
}

// passage is the way of one method through the door.
type passage struct {
	method   string
	service  string
	stream   grpc.StreamDesc
	owner    grpc.ClientConnInterface
	deadline time.Duration
}

// carry runs one call. Two pumps move messages, one each way; the owner's answer ends the call, and a caller who leaves
// ends it through the context.
func (p passage) carry(ss grpc.ServerStream) error {
	if p.owner == nil {
		return fault.New(p.method, fault.Unavailable, "the service %s is not part of this platform", p.service).WithReason("SERVICE_ABSENT")
	}
	ctx, cancel := p.context(ss.Context())
	defer cancel()
	cs, err := p.owner.NewStream(ctx, &p.stream, p.method, grpc.ForceCodecV2(codec{}))
	if err != nil {
		return p.failed(ss.Context(), err)
	}
	go func() {
		if inwards(ss, cs) != nil {
			cancel() // the caller broke off: so does the call
		}
	}()
	if err := outwards(cs, ss); err != nil {
		return p.failed(ss.Context(), err)
	}
	ss.SetTrailer(foreign(cs.Trailer()))
	return nil
}

// context of the owner's call: the caller's deadline goes on, and a call with one answer has one in any case.
func (p passage) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, set := ctx.Deadline(); !set && p.deadline > 0 {
		return context.WithTimeout(ctx, p.deadline)
	}
	return context.WithCancel(ctx)
}

// inwards moves the caller's messages to the owner. It ends without an error when either has had enough.
func inwards(ss grpc.ServerStream, cs grpc.ClientStream) error {
	for {
		var f frame
		err := ss.RecvMsg(&f)
		if errors.Is(err, io.EOF) {
			return cs.CloseSend()
		}
		if err != nil {
			return err
		}
		if err := cs.SendMsg(&f); err != nil {
			f.data.Free()
			return nil //nolint:nilerr // the owner has ended the call: outwards hears how
		}
	}
}

// outwards moves the owner's headers and messages to the caller, until the owner ends the call.
func outwards(cs grpc.ClientStream, ss grpc.ServerStream) error {
	if md, err := cs.Header(); err == nil && md != nil {
		if err := ss.SendHeader(foreign(md)); err != nil {
			return err
		}
	}
	for {
		var f frame
		err := cs.RecvMsg(&f)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := ss.SendMsg(&f); err != nil {
			f.data.Free()
			return err
		}
	}
}

// foreign is what of the owner's metadata is for the caller: not what this door says itself, nor what is between us.
func foreign(md metadata.MD) metadata.MD {
	out := metadata.MD{}
	for k, v := range md {
		switch k {
		case rpc.RequestIDKey, auth.MetadataKey, "content-type":
		default:
			out[k] = v
		}
	}
	return out
}
