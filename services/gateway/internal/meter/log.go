package meter

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

// LogMetrics exports a request log's account of itself. At every scrape admitted = acknowledged + pending.
func LogMetrics(registry prometheus.Registerer, stats func() wal.Stats) {
	gauge := func(name, help string, value func(wal.Stats) float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "slipway_gateway_log_" + name, Help: help}, func() float64 { return value(stats()) }))
	}
	gauge("admitted", "Requests admitted since the log was created.", func(s wal.Stats) float64 { return float64(s.Admitted) })
	gauge("logged", "Requests ended since the log was created.", func(s wal.Stats) float64 { return float64(s.Logged) })
	gauge("acknowledged", "Rows that the monitor has stored.", func(s wal.Stats) float64 { return float64(s.Acked) })
	gauge("pending", "Requests admitted and not yet stored by the monitor.", func(s wal.Stats) float64 { return float64(s.Pending) })
	gauge("refused", "Requests refused by this process because the log was full or failed.", func(s wal.Stats) float64 { return float64(s.Refused) })
	gauge("bytes", "Bytes of the log on the disk.", func(s wal.Stats) float64 { return float64(s.Bytes) })
	gauge("capacity_bytes", "The log's disk budget.", func(s wal.Stats) float64 { return float64(s.CapBytes) })
	gauge("level", "Back-pressure: 0 calm, 1 warn, 2 bodies are left out, 3 requests are refused.", func(s wal.Stats) float64 { return float64(s.Level) })
}
