package work

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
)

// Maintenance keeps the inference table fit for years: it joins the small files
// that commits twice a second leave, deletes what was joined long enough ago, and
// shortens the log behind the checkpoints. Appends go on meanwhile, and so may
// the maintenance of another process; none of it can lose a row.
type Maintenance struct {
	Table        *delta.Table
	Compact      delta.CompactOptions
	CompactEvery time.Duration
	VacuumEvery  time.Duration
	Clock        clock.Clock
	Log          *slog.Logger
	Metrics      *TableMetrics
}

// SettledAfter is how long after a day's end its partition is joined for good:
// records of a log that was cut off come late.
const SettledAfter = 26 * time.Hour

// Settled tells of partitions of days that are over, by the clock given.
func Settled(now func() time.Time, column string) func(map[string]*string) bool {
	return func(partition map[string]*string) bool {
		day := partition[column]
		if day == nil {
			return false
		}
		begin, err := time.Parse(time.DateOnly, *day)
		return err == nil && now().Sub(begin.AddDate(0, 0, 1)) > SettledAfter
	}
}

// Run maintains until ctx ends.
func (m *Maintenance) Run(ctx context.Context) error {
	compact, vacuum := m.Clock.NewTicker(m.CompactEvery), m.Clock.NewTicker(m.VacuumEvery)
	defer compact.Stop()
	defer vacuum.Stop()
	for {
		select {
		case <-compact.C():
			m.compact(ctx)
		case <-vacuum.C():
			m.vacuum(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// compact joins files until there is nothing left to join.
func (m *Maintenance) compact(ctx context.Context) {
	for {
		done, err := m.Table.Optimize(ctx, m.Compact)
		m.Metrics.compacted(done)
		if done.FilesRemoved > 0 {
			m.Log.LogAttrs(ctx, slog.LevelInfo, "files joined", slog.Int("removed", done.FilesRemoved), slog.Int("added", done.FilesAdded),
				slog.Int64("rows", done.Rows), slog.Int64("bytes", done.BytesAdded))
		}
		if err != nil {
			m.failed(ctx, "compact", err)
			return
		}
		if done.FilesRemoved == 0 {
			return
		}
	}
}

func (m *Maintenance) vacuum(ctx context.Context) {
	done, err := m.Table.Vacuum(ctx)
	m.Metrics.vacuumed.Add(float64(done.Files))
	if err != nil {
		m.failed(ctx, "vacuum", err)
		return
	}
	cleaned, err := m.Table.CleanLog(ctx)
	if err != nil {
		m.failed(ctx, "clean log", err)
		return
	}
	if done.Files+cleaned > 0 {
		m.Log.LogAttrs(ctx, slog.LevelInfo, "table cleaned", slog.Int("files", done.Files), slog.Int64("bytes", done.Bytes), slog.Int("log_files", cleaned))
	}
}

// failed tells, and the next turn tries again: nothing here is in a hurry.
func (m *Maintenance) failed(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	m.Metrics.failures.WithLabelValues(what).Inc()
	m.Log.LogAttrs(ctx, slog.LevelWarn, "table maintenance failed", slog.String("work", what), slog.Any("error", err))
}

// TableMetrics count the maintenance.
type TableMetrics struct {
	joined, conflicts, vacuumed prometheus.Counter
	failures                    *prometheus.CounterVec
}

// NewTableMetrics registers the metrics; with a nil registry nobody sees them.
func NewTableMetrics(reg *prometheus.Registry) (*TableMetrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "slipway", Subsystem: "monitor", Name: name, Help: help})
	}
	m := &TableMetrics{
		joined:    counter("table_files_joined_total", "Small data files that were joined into larger ones."),
		conflicts: counter("table_join_conflicts_total", "Joins given up because another process joined the same files."),
		vacuumed:  counter("table_files_vacuumed_total", "Data files deleted after their retention."),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "slipway", Subsystem: "monitor", Name: "table_maintenance_failures_total", Help: "Maintenance that failed, by kind.",
		}, []string{"work"}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.joined, m.conflicts, m.vacuumed, m.failures} {
		if err := reg.Register(c); err != nil {
			return nil, fault.Wrap("work.NewTableMetrics", fault.Internal, err, "internal error")
		}
	}
	return m, nil
}

func (m *TableMetrics) compacted(c delta.Compacted) {
	m.joined.Add(float64(c.FilesRemoved))
	m.conflicts.Add(float64(c.Conflicts))
}
