package rpc

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// logCalls writes one line per call, and the private cause of a failed one. How loud depends on whose concern it is: our
// faults are errors, a struggling dependency is a warning, a caller's mistake is information, success is for debugging.
func logCalls(log *slog.Logger) interceptor {
	return interceptor{name: "log", around: func(ctx context.Context, c *call, next func(context.Context) error) error {
		err := next(ctx)
		code := status.Code(err)
		level := levelOf(code)
		if strings.HasPrefix(c.method, "/grpc.health.") {
			level = slog.LevelDebug
		}
		if !log.Enabled(ctx, level) {
			return err
		}
		attrs := []slog.Attr{
			slog.String("method", c.method),
			slog.String("code", code.String()),
			slog.Duration("took", time.Since(c.start)),
			slog.String("principal", c.principal.Name),
		}
		if p, ok := peer.FromContext(ctx); ok {
			attrs = append(attrs, slog.String("peer", p.Addr.String()))
		}
		if c.cause != nil {
			attrs = append(attrs, slog.String("error", c.cause.Error()))
		}
		log.LogAttrs(ctx, level, "rpc call", attrs...)
		return err
	}}
}

func levelOf(code codes.Code) slog.Level {
	switch code {
	case codes.OK:
		return slog.LevelDebug
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return slog.LevelError
	case codes.Unavailable, codes.DeadlineExceeded:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}
