package ingest

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Metrics are what operators watch of the ingest.
type Metrics struct {
	rows, duplicates, gaps, commitFailures, lostRows prometheus.Counter
	sanitised                                        *prometheus.CounterVec
	commitSeconds                                    prometheus.Histogram
	pendingBytes, pendingRows                        prometheus.Gauge
	version, files                                   prometheus.Gauge
}

// LostRows counts acknowledged rows that the table turned out not to have.
func (m *Metrics) LostRows(n int64) { m.lostRows.Add(float64(n)) }

// NewMetrics registers the metrics; with a nil registry nobody sees them.
func NewMetrics(reg *prometheus.Registry) (*Metrics, error) {
	const ns, sub = "slipway", "monitor"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: ns, Subsystem: sub, Name: name, Help: help})
	}
	m := &Metrics{
		rows:           counter("ingest_rows_total", "Rows committed to the inference table."),
		duplicates:     counter("ingest_duplicates_total", "Records that were sent again and dropped."),
		gaps:           counter("ingest_gaps_total", "Batches refused because records before them were missing."),
		commitFailures: counter("ingest_commit_failures_total", "Commits that failed and were tried again."),
		lostRows:       counter("inference_table_lost_rows_total", "Acknowledged rows that the table no longer has. Anything but 0 is an incident."),
		sanitised: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Subsystem: sub, Name: "ingest_sanitised_total", Help: "Records stored with an error code, by code.",
		}, []string{"code"}),
		commitSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: ns, Subsystem: sub, Name: "ingest_commit_seconds", Help: "Time from taking a batch to its commit.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2, 14),
		}),
		pendingBytes: gauge("ingest_pending_bytes", "Bytes that wait for a commit."),
		pendingRows:  gauge("ingest_pending_rows", "Rows that wait for a commit."),
		version:      gauge("inference_table_version", "Version of the inference table after the last commit of this process."),
		files:        gauge("inference_table_files", "Data files of the inference table."),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.rows, m.duplicates, m.gaps, m.commitFailures, m.lostRows, m.sanitised, m.commitSeconds, m.pendingBytes, m.pendingRows, m.version, m.files,
	} {
		if err := reg.Register(c); err != nil {
			return nil, fault.Wrap("ingest.NewMetrics", fault.Internal, err, "internal error")
		}
	}
	return m, nil
}
