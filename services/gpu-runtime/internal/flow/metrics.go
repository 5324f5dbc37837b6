package flow

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/slipway-ai/slipway/pkg/fault"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/domain"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/peer"
)

// Metrics counts what a node did, and shows what it does when it is scraped.
type Metrics struct {
	requests   *prometheus.CounterVec
	tokens     *prometheus.CounterVec
	restarts   *prometheus.CounterVec
	firstToken *prometheus.HistogramVec
	seconds    *prometheus.HistogramVec
}

// NewMetrics makes the counters; Collectors registers them.
func NewMetrics() *Metrics {
	buckets := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
	return &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_runtime_requests_total", Help: "Requests to engines by operation and outcome: the finish reason, or the kind of the error.",
		}, []string{"model", "operation", "outcome"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_runtime_tokens_total", Help: "Tokens read (input) and written (output) by engines.",
		}, []string{"model", "direction"}),
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_runtime_engine_restarts_total", Help: "Engine workers started again after one ended.",
		}, []string{"model"}),
		firstToken: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slipway_runtime_first_token_seconds", Help: "Time from a request's arrival at the engine to its first token.", Buckets: buckets,
		}, []string{"model"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slipway_runtime_request_seconds", Help: "Time from a request's arrival at the node to its end.", Buckets: buckets,
		}, []string{"model", "operation"}),
	}
}

// Collectors are the counters and the gauges of a node.
func (m *Metrics) Collectors(n *Node) []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.tokens, m.restarts, m.firstToken, m.seconds, newGauges(n)}
}

func modelLabel(s domain.Spec) string { return s.Model + "/" + strconv.FormatInt(s.Version, 10) }

func artifactLabel(a peer.Artifact) string {
	return modelLabel(domain.Spec{Model: a.Model, Version: a.Version})
}

func (m *Metrics) answered(a peer.Artifact, f *gpuruntimev1.Finish, err error, took time.Duration) {
	model := artifactLabel(a)
	outcome := string(fault.KindOf(err))
	if err == nil {
		outcome = f.GetReason().String()
		m.tokens.WithLabelValues(model, "input").Add(float64(f.GetUsage().GetInputTokens()))
		m.tokens.WithLabelValues(model, "output").Add(float64(f.GetUsage().GetOutputTokens()))
		if us := f.GetFirstTokenUs(); us > 0 {
			m.firstToken.WithLabelValues(model).Observe(float64(us) / 1e6)
		}
	}
	m.requests.WithLabelValues(model, "generate", outcome).Inc()
	m.seconds.WithLabelValues(model, "generate").Observe(took.Seconds())
}

func (m *Metrics) embedded(a peer.Artifact, r *gpuruntimev1.EmbedResponse, err error, took time.Duration) {
	model := artifactLabel(a)
	outcome := string(fault.KindOf(err))
	if err == nil {
		outcome = "OK"
		m.tokens.WithLabelValues(model, "input").Add(float64(r.GetUsage().GetInputTokens()))
	}
	m.requests.WithLabelValues(model, "embed", outcome).Inc()
	m.seconds.WithLabelValues(model, "embed").Observe(took.Seconds())
}
