package flow

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

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

func instanceAttributes(v domain.Instance) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("slipway.instance", v.ID),
		attribute.String("gen_ai.request.model", v.Spec.Model),
		attribute.Int64("slipway.model.version", v.Spec.Version),
		attribute.String("slipway.device", v.DeviceID),
	}
}
