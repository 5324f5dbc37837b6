package work

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// Metrics is what operators watch of the reconciling.
type Metrics struct {
	steps   *prometheus.CounterVec
	updates *prometheus.CounterVec
}

// NewMetrics registers with reg.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		steps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_serving_steps_total", Help: "Steps that the reconciler took, by verb and by the kind of their error (OK for none).",
		}, []string{"verb", "outcome"}),
		updates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_serving_updates_total", Help: "Revisions that the reconciler brought up (activated) or gave up (failed).",
		}, []string{"outcome"}),
	}
	for _, c := range []prometheus.Collector{m.steps, m.updates} {
		if err := reg.Register(c); err != nil {
			return nil, fault.Wrap("serving.Metrics", fault.Internal, err, "internal error")
		}
	}
	return m, nil
}

func (m *Metrics) step(v domain.Verb, err error) {
	outcome := string(fault.KindOf(err))
	if outcome == "" {
		outcome = "OK"
	}
	m.steps.WithLabelValues(string(v), outcome).Inc()
}

func (m *Metrics) update(outcome string) { m.updates.WithLabelValues(outcome).Inc() }
