package registry

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// gauges is what the registry counts beside its calls, which pkg/rpc counts.
type gauges struct {
	position prometheus.Gauge
	watchers prometheus.Gauge
	swept    prometheus.Counter
}

func newGauges(r prometheus.Registerer) (*gauges, error) {
	g := &gauges{
		position: prometheus.NewGauge(prometheus.GaugeOpts{Name: "slipway_registry_event_position", Help: "Position of the newest event that this process committed."}),
		watchers: prometheus.NewGauge(prometheus.GaugeOpts{Name: "slipway_registry_watchers", Help: "Event streams that are open."}),
		swept:    prometheus.NewCounter(prometheus.CounterOpts{Name: "slipway_registry_swept_total", Help: "Left-over objects removed from the artifact store."}),
	}
	if err := errors.Join(r.Register(g.position), r.Register(g.watchers), r.Register(g.swept)); err != nil {
		return nil, fault.Wrap("registry.New", fault.Internal, err, "metrics cannot be registered")
	}
	return g, nil
}

func (g *gauges) watching(change int) { g.watchers.Add(float64(change)) }
func (g *gauges) removed(n int)       { g.swept.Add(float64(n)) }
