// Package telemetry is how a program is seen: one structured log, one tracer, one metric registry, made together by Setup
// and handed down as a value. Nothing is global except OpenTelemetry's propagator, which libraries look up there. A log
// line written with a context carries that context's trace id, so that a log and a trace are two views of one request.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
)

// Config is what an operator sets. The zero value logs text at info level and exports no traces.
type Config struct {
	Service      string          `yaml:"-"` // who speaks: the service.name of spans and the service of log lines
	LogLevel     string          `yaml:"log_level" doc:"debug, info, warn or error"`
	LogFormat    string          `yaml:"log_format" doc:"text or json"`
	OTLPEndpoint string          `yaml:"otlp_endpoint" doc:"host:port of an OTLP/gRPC collector for traces; empty exports none"`
	OTLPInsecure bool            `yaml:"otlp_insecure" doc:"speak to the collector without TLS"`
	SampleRatio  float64         `yaml:"sample_ratio" doc:"share of traces begun here that are exported, 0 to 1; a trace begun elsewhere follows its beginner"`
	ExportEvery  config.Duration `yaml:"export_every" doc:"longest time a finished span waits for its batch; 0 is one second"`
	LogOutput    io.Writer       `yaml:"-"` // nil is standard error
}

// Default exports every trace once an endpoint is set.
func Default() Config {
	return Config{LogLevel: "info", LogFormat: "text", SampleRatio: 1}
}

// Telemetry is what a program reports through.
type Telemetry struct {
	Log        *slog.Logger
	Tracers    trace.TracerProvider
	Propagator propagation.TextMapPropagator
	Metrics    *prometheus.Registry

	base   slog.Handler
	spans  *spans
	parent bool // shares another's exporter: must not shut it down
}

// Setup builds all three. It starts no exporter that waits: a collector that is not there costs dropped spans, never a
// failed start.
func Setup(ctx context.Context, c Config) (*Telemetry, error) {
	out := c.LogOutput
	if out == nil {
		out = os.Stderr
	}
	handler, err := newHandler(out, c.LogLevel, c.LogFormat)
	if err != nil {
		return nil, err
	}
	if c.SampleRatio < 0 || c.SampleRatio > 1 {
		return nil, fault.New("telemetry.Setup", fault.Invalid, "telemetry.sample_ratio must be from 0 to 1")
	}
	spans, err := newSpans(ctx, c, named(handler, c.Service))
	if err != nil {
		return nil, err
	}
	t := assemble(handler, spans, c.Service)
	t.Metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	otel.SetTextMapPropagator(t.Propagator)
	return t, nil
}

// Discard reports to nobody: for tests that look at something else. Its spans still have ids.
func Discard() *Telemetry {
	return assemble(slog.DiscardHandler, &spans{}, "test")
}

func assemble(h slog.Handler, s *spans, service string) *Telemetry {
	return &Telemetry{
		Log:        named(h, service),
		Tracers:    s.provider(service),
		Propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
		Metrics:    prometheus.NewRegistry(),
		base:       h,
		spans:      s,
	}
}

// For is the same telemetry speaking as another service: its own name on spans and log lines, the same exporter, the same
// metrics. One process that runs several services gives each its own, so that its traces look like the mesh's.
func (t *Telemetry) For(service string) *Telemetry {
	c := *t
	c.Log, c.Tracers, c.parent = named(t.base, service), t.spans.provider(service), true
	return &c
}

// Tracer is the tracer of a package.
func (t *Telemetry) Tracer(name string) trace.Tracer { return t.Tracers.Tracer(name) }

// Flush sends the spans that have ended.
func (t *Telemetry) Flush(ctx context.Context) error { return t.spans.flush(ctx) }

// Shutdown sends what is left and stops exporting. On a Telemetry that For made it only flushes: the exporter belongs to
// the one that Setup made, which is shut down last.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if t.parent {
		return t.Flush(ctx)
	}
	return t.spans.shutdown(ctx)
}
