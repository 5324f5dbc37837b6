package rpc

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
)

type drainKey struct{}

// Draining is closed when the server that serves ctx is about to stop. A handler whose stream has no end of its own
// returns then, so that the server need not cut it off; its client comes back and finds another or the restarted server.
// Methods whose name begins with Watch need not look: their context is canceled.
func Draining(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(drainKey{}).(<-chan struct{})
	return c // nil, which never fires, outside a server
}

var errDraining = fault.New("rpc", fault.Unavailable, "the server is stopping; try again").WithReason("SERVER_STOPPING")

// deadline gives a unary call whose caller set no deadline the server's, and ends watches when the server stops. A stream
// may live as long as its caller: how long is the handler's knowledge, not ours.
func deadline(d time.Duration, drain <-chan struct{}) interceptor {
	return interceptor{name: "deadline", around: func(ctx context.Context, c *call, next func(context.Context) error) error {
		if drain != nil {
			ctx = context.WithValue(ctx, drainKey{}, drain)
		}
		if c.stream {
			if drain != nil && strings.HasPrefix(c.method[strings.LastIndexByte(c.method, '/')+1:], "Watch") {
				return endWithServer(ctx, drain, next)
			}
			return next(ctx)
		}
		if _, set := ctx.Deadline(); !set && d > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, d)
			defer cancel()
		}
		return next(ctx)
	}}
}

func endWithServer(ctx context.Context, drain <-chan struct{}, next func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-drain:
			cancel(errDraining)
		case <-done:
		}
	}()
	err := next(ctx)
	if errors.Is(context.Cause(ctx), errDraining) && (err == nil || fault.Is(err, fault.Canceled)) {
		return errDraining
	}
	return err
}
