package rpc

import (
	"context"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/telemetry"
)

// maxAnswer is the largest message taken from a peer. It is far above what servers take, since a server knows what it
// answers.
const maxAnswer = 64 << 20

// DialOptions is how service calls its peers: traced, with the principal and the request id of the context forwarded, and
// with every failure as a fault. They are for peers of the platform only: a foreign server would learn our callers'
// names.
func DialOptions(service string, tel *telemetry.Telemetry) []grpc.DialOption {
	opts := []grpc.DialOption{
		grpc.WithUserAgent("slipway-" + service),
		grpc.WithChainUnaryInterceptor(callUnary),
		grpc.WithChainStreamInterceptor(callStream),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true}),
	}
	if tel != nil {
		opts = append(opts, grpc.WithStatsHandler(otelgrpc.NewClientHandler(traceOptions(tel)...)))
	}
	return opts
}

func callUnary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return fromStatus(method, invoke(forward(ctx), method, req, reply, cc, opts...))
}

func callStream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := streamer(forward(ctx), desc, cc, method, opts...)
	if err != nil {
		return nil, fromStatus(method, err)
	}
	return &clientStream{ClientStream: s, method: method}, nil
}

// forward writes what the context knows into the metadata, over what a handler may have copied from its own caller.
func forward(ctx context.Context) context.Context {
	md, _ := metadata.FromOutgoingContext(ctx)
	md = md.Copy()
	delete(md, auth.MetadataKey)
	if p, ok := auth.From(ctx); ok {
		md.Set(auth.MetadataKey, auth.Encode(p))
	}
	if rid := RequestID(ctx); rid != "" {
		md.Set(RequestIDKey, rid)
	}
	return metadata.NewOutgoingContext(ctx, md)
}

// clientStream speaks fault instead of status. io.EOF stays io.EOF: it is an end, not a failure.
type clientStream struct {
	grpc.ClientStream
	method string
}

func (s *clientStream) Header() (metadata.MD, error) {
	md, err := s.ClientStream.Header()
	return md, fromStatus(s.method, err)
}

func (s *clientStream) SendMsg(m any) error { return fromStatus(s.method, s.ClientStream.SendMsg(m)) }

func (s *clientStream) RecvMsg(m any) error { return fromStatus(s.method, s.ClientStream.RecvMsg(m)) }

func (s *clientStream) CloseSend() error { return fromStatus(s.method, s.ClientStream.CloseSend()) }
