package telemetry

import (
	"context"
	"log/slog"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// reporter tells the log when spans begin to be lost and when they arrive again, once each. OpenTelemetry's own way is a
// global handler that prints every failure, unstructured, as long as a collector is away.
type reporter struct {
	sdktrace.SpanExporter
	log  *slog.Logger
	mu   sync.Mutex
	lost int // spans since the collector went away
}

func (r *reporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := r.SpanExporter.ExportSpans(ctx, spans)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil && r.lost == 0:
		r.log.LogAttrs(ctx, slog.LevelWarn, "spans are being lost", slog.String("error", err.Error()))
		r.lost = len(spans)
	case err != nil:
		r.lost += len(spans)
	case r.lost > 0:
		r.log.LogAttrs(ctx, slog.LevelInfo, "spans arrive again", slog.Int("lost", r.lost))
		r.lost = 0
	}
	return nil // told; the SDK would print it
}
