package telemetry

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/pkg/fault"
)

func newHandler(w io.Writer, level, format string) (slog.Handler, error) {
	var l slog.Level
	if level != "" {
		if err := l.UnmarshalText([]byte(level)); err != nil {
			return nil, fault.New("telemetry.Setup", fault.Invalid, "telemetry.log_level %q is not debug, info, warn or error", level)
		}
	}
	o := &slog.HandlerOptions{Level: l}
	switch strings.ToLower(format) {
	case "", "text":
		return contextHandler{slog.NewTextHandler(w, o)}, nil
	case "json":
		return contextHandler{slog.NewJSONHandler(w, o)}, nil
	}
	return nil, fault.New("telemetry.Setup", fault.Invalid, "telemetry.log_format %q is not text or json", format)
}

func named(h slog.Handler, service string) *slog.Logger {
	l := slog.New(h)
	if service == "" {
		return l
	}
	return l.With("service", service)
}

// contextHandler adds what the context knows: the trace, the span, and the attributes that WithAttrs put there.
type contextHandler struct{ slog.Handler }

func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	attrs, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	r.AddAttrs(attrs...)
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h contextHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(a)}
}

func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name)}
}

type attrsKey struct{}

// WithAttrs is a context whose log lines carry these attributes, beside those it already carries.
func WithAttrs(ctx context.Context, attrs ...slog.Attr) context.Context {
	old, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	return context.WithValue(ctx, attrsKey{}, append(slices.Clip(old), attrs...))
}

// TraceID is the trace of ctx in hexadecimal, "" when there is none.
func TraceID(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		return sc.TraceID().String()
	}
	return ""
}
