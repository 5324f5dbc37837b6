package rpc

import (
	"context"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/telemetry"
)

// RequestIDKey is where a request's id travels, in gRPC metadata as in HTTP headers.
const RequestIDKey = "x-request-id"

const maxRequestID = 128

type requestIDKey struct{}

// RequestID is the id of the request that ctx serves, "" when there is none.
func RequestID(ctx context.Context) string {
	s, _ := ctx.Value(requestIDKey{}).(string)
	return s
}

// WithRequestID is a context that serves the request of this id: its log lines name it and calls to peers forward it.
func WithRequestID(ctx context.Context, requestID string) context.Context {
	ctx = telemetry.WithAttrs(ctx, slog.String("request_id", requestID))
	return context.WithValue(ctx, requestIDKey{}, requestID)
}

// ValidRequestID reports whether an id that a stranger sent may enter our logs and headers: at most 128 letters, digits,
// dots, hyphens, colons and underscores.
func ValidRequestID(s string) bool {
	if s == "" || len(s) > maxRequestID {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == ':', c == '_':
		default:
			return false
		}
	}
	return true
}

// requestID takes the caller's id or makes one, and sends it back.
func requestID(ids id.Source) interceptor {
	return interceptor{name: "requestid", around: func(ctx context.Context, c *call, next func(context.Context) error) error {
		rid := first(ctx, RequestIDKey)
		if !ValidRequestID(rid) {
			rid = ids.New()
		}
		c.header(RequestIDKey, rid)
		return next(WithRequestID(ctx, rid))
	}}
}

// first is the first value of a metadata key, "" when there is none.
func first(ctx context.Context, key string) string {
	if v := metadata.ValueFromIncomingContext(ctx, key); len(v) > 0 {
		return v[0]
	}
	return ""
}

func unaryHeader(ctx context.Context) func(key, value string) {
	return func(key, value string) { _ = grpc.SetHeader(ctx, metadata.Pairs(key, value)) }
}

func streamHeader(ss grpc.ServerStream) func(key, value string) {
	return func(key, value string) { _ = ss.SetHeader(metadata.Pairs(key, value)) }
}
