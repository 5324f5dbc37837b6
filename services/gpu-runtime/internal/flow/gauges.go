package flow

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/domain"
)

// gauges reads the node when it is scraped, so that an instance that is gone leaves no label behind.
type gauges struct {
	node                         *Node
	slots, queued, state, memory *prometheus.Desc
	device                       *prometheus.Desc
	cache                        *prometheus.Desc
}

func newGauges(n *Node) *gauges {
	return &gauges{
		node:   n,
		slots:  prometheus.NewDesc("slipway_runtime_slots", "Slots of an instance: all there are (total) and those that decode a request now (busy).", []string{"instance", "model", "kind"}, nil),
		queued: prometheus.NewDesc("slipway_runtime_queued_requests", "Requests that wait for a slot.", []string{"instance", "model"}, nil),
		state:  prometheus.NewDesc("slipway_runtime_instance_state", "1 for the state an instance is in.", []string{"instance", "model", "state"}, nil),
		memory: prometheus.NewDesc("slipway_runtime_instance_memory_bytes", "Memory of an instance: as predicted before loading, as observed, and as held in the ledger.", []string{"instance", "model", "kind"}, nil),
		device: prometheus.NewDesc("slipway_runtime_device_memory_bytes", "Memory of a device: total, free by the driver, reserved by the ledger.", []string{"device", "kind"}, nil),
		cache:  prometheus.NewDesc("slipway_runtime_model_cache_bytes", "Model files on this node's disk.", nil, nil),
	}
}

func (g *gauges) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.slots, g.queued, g.state, g.memory, g.device, g.cache} {
		out <- d
	}
}

func (g *gauges) Collect(out chan<- prometheus.Metric) {
	set := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, v := range g.node.ListInstances() {
		model := modelLabel(v.Spec)
		set(g.slots, float64(v.Active), v.ID, model, "busy")
		set(g.slots, float64(g.node.slotsOf(v)), v.ID, model, "total")
		set(g.queued, float64(v.Queued), v.ID, model)
		set(g.state, 1, v.ID, model, v.State.String())
		set(g.memory, float64(v.Predicted.Total), v.ID, model, "predicted")
		set(g.memory, float64(v.Observed), v.ID, model, "observed")
		set(g.memory, float64(g.node.Ledger.Held(v.ID)), v.ID, model, "reserved")
	}
	inv, reserved := g.node.ListDevices()
	for i, d := range inv.Devices {
		set(g.device, float64(d.MemoryTotal), d.ID, "total")
		set(g.device, float64(d.MemoryFree), d.ID, "free")
		set(g.device, float64(reserved[i]), d.ID, "reserved")
	}
	set(g.cache, float64(g.node.Cache.Size()))
}

// slotsOf is how many requests an instance decodes together.
func (n *Node) slotsOf(v domain.Instance) int {
	if v.Spec.Parallel > 0 {
		return v.Spec.Parallel
	}
	return n.Limits.Parallel
}
