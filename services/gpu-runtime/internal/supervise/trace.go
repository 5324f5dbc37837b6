package supervise

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// sendTrace lets the trace of a call go along to the worker, for its log lines. It makes no span: who calls tells one span
// per try, which knows more than a handler of the connection could.
func sendTrace(p propagation.TextMapPropagator) []grpc.DialOption {
	if p == nil {
		return nil
	}
	along := func(ctx context.Context) context.Context {
		carrier := propagation.MapCarrier{}
		p.Inject(ctx, carrier)
		for key, value := range carrier {
			ctx = metadata.AppendToOutgoingContext(ctx, key, value)
		}
		return ctx
	}
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			return invoke(along(ctx), method, req, reply, cc, opts...)
		}),
		grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, stream grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			return stream(along(ctx), desc, cc, method, opts...)
		}),
	}
}
