package rpc

import (
	"context"
	"slices"

	"google.golang.org/grpc/metadata"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/link"
)

// identify finds out who calls, and puts the principal into the context. It fails closed: a call to a method that is not
// public has a principal, or ends here.
func identify(o ServerOptions) interceptor {
	return interceptor{name: "auth", around: func(ctx context.Context, c *call, next func(context.Context) error) error {
		p, err := principal(ctx, o)
		switch {
		case err == nil:
			c.principal = p
			return next(auth.With(ctx, p))
		case slices.Contains(o.Public, c.method) && !fault.Is(err, fault.Canceled):
			return next(ctx)
		}
		return err
	}}
}

func principal(ctx context.Context, o ServerOptions) (auth.Principal, error) {
	const op = "rpc.auth"
	md, _ := metadata.FromIncomingContext(ctx)
	if forwarded := md.Get(auth.MetadataKey); len(forwarded) > 0 {
		if !o.TrustPeers || !link.Trusted(ctx) {
			// Not ignored: whoever sends this to an open door either is misconfigured or tries to be somebody else.
			return auth.Principal{}, fault.New(op, fault.Unauthenticated, "a forwarded principal is not accepted on this connection").WithReason("PRINCIPAL_NOT_TRUSTED")
		}
		p, err := auth.Decode(forwarded[0])
		if err != nil || len(forwarded) > 1 {
			return auth.Principal{}, fault.Wrap(op, fault.Unauthenticated, err, "the forwarded principal cannot be read").WithReason("PRINCIPAL_MALFORMED")
		}
		return p, nil
	}
	if o.Authenticate == nil {
		return auth.Principal{}, fault.New(op, fault.Unauthenticated, "authentication is required")
	}
	return o.Authenticate(ctx, md)
}

// limit asks whether this principal may call now.
func limit(allow func(ctx context.Context, p auth.Principal, method string) error) interceptor {
	return interceptor{name: "limit", around: func(ctx context.Context, c *call, next func(context.Context) error) error {
		if allow != nil {
			if err := allow(ctx, c.principal, c.method); err != nil {
				return err
			}
		}
		return next(ctx)
	}}
}
