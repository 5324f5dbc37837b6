package rest

import (
	"context"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/surface"
)

// guard is a connection to an owner that lets only public methods through, and only with a token that is good for them.
// Generated code calls what its rules say; the table says what is allowed, here as at the gRPC door.
type guard struct {
	surface *surface.Surface
	owner   grpc.ClientConnInterface
	service string
}

func (g guard) pass(ctx context.Context, method string) error {
	p, ok := auth.From(ctx)
	if !ok {
		return fault.New(method, fault.Unauthenticated, "authentication is required")
	}
	if err := g.surface.Admit(p, method); err != nil {
		return err
	}
	if g.owner == nil {
		return fault.New(method, fault.Unavailable, "the service %s is not part of this platform", g.service).WithReason("SERVICE_ABSENT")
	}
	return nil
}

// Invoke implements grpc.ClientConnInterface.
func (g guard) Invoke(ctx context.Context, method string, in, out any, opts ...grpc.CallOption) error {
	if err := g.pass(ctx, method); err != nil {
		return err
	}
	return g.owner.Invoke(ctx, method, in, out, opts...)
}

// NewStream implements grpc.ClientConnInterface.
func (g guard) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if err := g.pass(ctx, method); err != nil {
		return nil, err
	}
	return g.owner.NewStream(ctx, desc, method, opts...)
}
