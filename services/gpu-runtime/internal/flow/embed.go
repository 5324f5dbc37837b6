package flow

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/supervise"
)

// Embed has an instance turn texts into vectors. An attempt that broke off is made again: vectors are all or nothing.
func (n *Node) Embed(ctx context.Context, req *gpuruntimev1.EmbedRequest) (resp *gpuruntimev1.EmbedResponse, err error) {
	i, view, err := n.enter(req.GetInstanceId())
	if err != nil {
		return nil, err
	}
	defer n.leave(i)
	ctx, span := n.Tracer.Start(ctx, "embed", trace.WithAttributes(instanceAttributes(view)...),
		trace.WithAttributes(attribute.String("gen_ai.operation.name", "embeddings"), attribute.Int("slipway.inputs", len(req.GetInputs()))))
	defer span.End()
	began := time.Now()
	err = i.engine.Do(ctx, func(ctx context.Context, w supervise.Worker) (bool, error) {
		ctx, attempt := n.Tracer.Start(ctx, "engine attempt", trace.WithSpanKind(trace.SpanKindClient),
			trace.WithAttributes(attribute.Int("slipway.attempt", w.Attempt), attribute.Int("process.pid", w.PID())))
		defer attempt.End()
		asked := time.Now()
		var err error
		resp, err = w.Client().Embed(ctx, req)
		n.tellWork(ctx, "engine embed", asked, nil, err)
		return false, failSpan(attempt, err)
	})
	n.Metrics.embedded(i.plan.artifact, resp, err, time.Since(began))
	if err != nil {
		return nil, failSpan(span, err)
	}
	span.SetAttributes(attribute.Int64("gen_ai.usage.input_tokens", resp.GetUsage().GetInputTokens()))
	return resp, nil
}
