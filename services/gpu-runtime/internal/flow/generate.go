package flow

import (
	"context"
	"errors"
	"io"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/pkg/fault"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/supervise"
)

// Generate has an instance answer and sends the parts of the answer as they come. Requests and parts are in the words of
// the engine's own protocol, which is the one our callers speak: nothing is translated on the way of a token.
func (n *Node) Generate(ctx context.Context, req *gpuruntimev1.GenerateRequest, send func(*gpuruntimev1.GenerateResponse) error) error {
	i, view, err := n.enter(req.GetInstanceId())
	if err != nil {
		return err
	}
	defer n.leave(i)
	ctx, span := n.Tracer.Start(ctx, "generate", trace.WithAttributes(instanceAttributes(view)...), trace.WithAttributes(attribute.String("gen_ai.operation.name", "chat")))
	defer span.End()
	began := time.Now()
	var finish *gpuruntimev1.Finish
	err = i.engine.Do(ctx, func(ctx context.Context, w supervise.Worker) (begun bool, err error) {
		finish, begun, err = n.try(ctx, w, req, send)
		return begun, err
	})
	n.Metrics.answered(i.plan.artifact, finish, err, time.Since(began))
	if finish != nil {
		span.SetAttributes(attribute.Int64("gen_ai.usage.input_tokens", finish.GetUsage().GetInputTokens()), attribute.Int64("gen_ai.usage.output_tokens", finish.GetUsage().GetOutputTokens()))
	}
	return failSpan(span, err)
}

// try is one worker's attempt. A part that cannot be sent means that the caller has gone; the worker hears of it through
// the context.
func (n *Node) try(ctx context.Context, w supervise.Worker, req *gpuruntimev1.GenerateRequest, send func(*gpuruntimev1.GenerateResponse) error) (finish *gpuruntimev1.Finish, begun bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx, span := n.Tracer.Start(ctx, "engine attempt", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.Int("slipway.attempt", w.Attempt), attribute.Int("process.pid", w.PID())))
	defer span.End()
	asked := time.Now()
	defer func() { n.tellWork(ctx, "engine generate", asked, finish, err) }()
	stream, err := w.Client().Generate(ctx, req)
	if err != nil {
		return nil, false, failSpan(span, err)
	}
	for {
		part, err := stream.Recv()
		if err != nil {
			return nil, begun, failSpan(span, unexpectedEnd(err))
		}
		if !begun {
			w.Served()
		}
		begun = true
		if err := send(part); err != nil {
			return nil, true, failSpan(span, err)
		}
		if f := part.GetFinish(); f != nil {
			_, _ = stream.Recv() // the status that follows: lets the worker end the call, rather than see it canceled
			return f, true, nil
		}
	}
}

// unexpectedEnd makes the end of a stream that had no Finish an error.
func unexpectedEnd(err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	return fault.Wrap("flow.Generate", fault.Unavailable, err, "the engine broke the answer off").WithReason("ENGINE_CRASHED")
}

// tellWork draws the worker's part of a trace from its account of the time. The worker exports no spans itself: it may die
// at any moment, and a request's trace must not be poorer just when it is wanted.
func (n *Node) tellWork(ctx context.Context, name string, asked time.Time, f *gpuruntimev1.Finish, err error) {
	ctx, span := n.Worker.Start(ctx, name, trace.WithTimestamp(asked), trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()
	_ = failSpan(span, err)
	if f == nil {
		return
	}
	end := time.Now()
	started := earlier(asked.Add(time.Duration(f.GetQueueUs())*time.Microsecond), end)
	phase := func(name string, from, to time.Time) {
		_, s := n.Worker.Start(ctx, name, trace.WithTimestamp(from))
		s.End(trace.WithTimestamp(to))
	}
	phase("queue", asked, started)
	if f.GetFirstTokenUs() == 0 {
		phase("prefill", started, end)
		return
	}
	first := earlier(asked.Add(time.Duration(f.GetFirstTokenUs())*time.Microsecond), end)
	phase("prefill", started, first)
	phase("decode", first, end)
}

// earlier keeps a told time inside its span: the two processes measure alike, not identically.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
