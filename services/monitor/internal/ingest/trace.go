package ingest

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
)

// Tracing continues the traces of requests: each gets a last span, from the
// moment its record stood in line to the commit that made it durable. The stream
// that carried the record is of many requests and cannot be that span.
type Tracing struct {
	Tracer trace.Tracer
	// Ratio is the share of traces that the gateway samples. A record names its
	// trace and does not say whether it was sampled; but samplers decide by the
	// trace id alone, so the same share is the same traces.
	Ratio float64
}

const appendSpan = "inference_log append"

// trace makes the spans of a batch. It gives up at the first span that nobody
// records: then there is no exporter.
func (t *Tracing) trace(batch []*entry, snap *delta.Snapshot, now time.Time) {
	if t == nil || t.Tracer == nil || t.Ratio <= 0 {
		return
	}
	sampler := sdktrace.TraceIDRatioBased(t.Ratio)
	for _, e := range batch {
		for _, r := range e.records {
			parent, ok := requestSpan(r)
			if !ok || sampler.ShouldSample(sdktrace.SamplingParameters{TraceID: parent.TraceID()}).Decision != sdktrace.RecordAndSample {
				continue
			}
			ctx := trace.ContextWithRemoteSpanContext(context.Background(), parent)
			_, span := t.Tracer.Start(ctx, appendSpan, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(e.at))
			if !span.IsRecording() {
				return
			}
			span.SetAttributes(
				attribute.String("slipway.request_id", r.RequestID), attribute.String("slipway.endpoint", r.Endpoint),
				attribute.String("slipway.log.source", r.Source), attribute.Int64("slipway.log.seq", r.Seq), attribute.Int64("slipway.table.version", snap.Version()),
			)
			span.End(trace.WithTimestamp(now))
		}
	}
}

// requestSpan is the span that the record was made in.
func requestSpan(r *inference.Record) (trace.SpanContext, bool) {
	id, err := trace.TraceIDFromHex(r.TraceID)
	if err != nil {
		return trace.SpanContext{}, false
	}
	span, err := trace.SpanIDFromHex(r.SpanID)
	if err != nil {
		return trace.SpanContext{}, false
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: trace.FlagsSampled, Remote: true}), true
}
