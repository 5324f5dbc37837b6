package flow

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/domain"
)

// asNode is ctx on behalf of this service: it reads model files for itself, whoever asked for the load.
func asNode(ctx context.Context) context.Context { return auth.With(ctx, auth.Service("gpu-runtime")) }

// failSpan marks a span with an error's kind and returns the error. Its text stays in the log.
func failSpan(span trace.Span, err error) error {
	if err != nil {
		span.SetStatus(codes.Error, string(fault.KindOf(err)))
		span.SetAttributes(attribute.String("error.type", fault.Reason(err)))
	}
	return err
}

// withTrace puts the trace into outgoing metadata. Workers are called without a tracing handler of their own, since one
// span per try is told by the flow; the trace still goes along for their logs.
func (n *Node) withTrace(ctx context.Context) context.Context {
	carrier := propagation.MapCarrier{}
	n.Propagator.Inject(ctx, carrier)
	for k, v := range carrier {
		ctx = metadata.AppendToOutgoingContext(ctx, k, v)
	}
	return ctx
}

func instanceAttributes(v domain.Instance) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("slipway.instance", v.ID),
		attribute.String("gen_ai.request.model", v.Spec.Model),
		attribute.Int64("slipway.model.version", v.Spec.Version),
		attribute.String("slipway.device", v.DeviceID),
	}
}
