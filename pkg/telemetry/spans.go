package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// spans is the one exporter of a process and the providers that feed it, one per service name.
type spans struct {
	batch   sdktrace.SpanProcessor // nil exports nothing
	ratio   float64
	mu      sync.Mutex
	service map[string]*sdktrace.TracerProvider
}

func newSpans(ctx context.Context, c Config, log *slog.Logger) (*spans, error) {
	s := &spans{ratio: c.SampleRatio}
	if c.OTLPEndpoint == "" {
		return s, nil
	}
	o := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(c.OTLPEndpoint)}
	if c.OTLPInsecure {
		o = append(o, otlptracegrpc.WithInsecure())
	}
	exporter, err := otlptracegrpc.New(ctx, o...)
	if err != nil {
		return nil, fault.Wrap("telemetry.Setup", fault.Invalid, err, "telemetry.otlp_endpoint cannot be used")
	}
	every := c.ExportEvery.Std()
	if every <= 0 {
		every = time.Second
	}
	s.batch = sdktrace.NewBatchSpanProcessor(&reporter{SpanExporter: exporter, log: log}, sdktrace.WithBatchTimeout(every))
	return s, nil
}

// provider makes spans of a service. Without an exporter nothing is sampled, but spans still have ids: a log line and an
// error message name them, and a trace begun by our caller is passed on.
func (s *spans) provider(service string) *sdktrace.TracerProvider {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.service[service]; ok {
		return p
	}
	o := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", service))),
		sdktrace.WithSampler(sdktrace.NeverSample()),
	}
	if s.batch != nil {
		o = append(o, sdktrace.WithSpanProcessor(s.batch), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(s.ratio))))
	}
	p := sdktrace.NewTracerProvider(o...)
	if s.service == nil {
		s.service = make(map[string]*sdktrace.TracerProvider)
	}
	s.service[service] = p
	return p
}

func (s *spans) flush(ctx context.Context) error {
	if s.batch == nil {
		return nil
	}
	return s.batch.ForceFlush(ctx)
}

func (s *spans) shutdown(ctx context.Context) error {
	if s.batch == nil {
		return nil
	}
	return errors.Join(s.batch.ForceFlush(ctx), s.batch.Shutdown(ctx))
}
