package rpc

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// faults turns the handler's error into the status that the caller sees, once, and keeps the error for the log.
func faults() interceptor {
	return interceptor{name: "fault", around: func(ctx context.Context, c *call, next func(context.Context) error) error {
		err := next(ctx)
		if err == nil {
			return nil
		}
		c.cause = err
		return statusOf(ctx, c.method, err).Err()
	}}
}

// recoverPanics turns a panic into an internal error, with its stack for the log.
func recoverPanics(m *metrics) interceptor {
	return interceptor{name: "recover", around: func(ctx context.Context, c *call, next func(context.Context) error) (err error) {
		defer func() {
			if p := recover(); p != nil {
				m.panics.WithLabelValues(m.service, m.label(c.method)).Inc()
				err = fault.Wrap(c.method, fault.Internal, fmt.Errorf("panic: %v\n%s", p, debug.Stack()), "internal error")
			}
		}()
		return next(ctx)
	}}
}
