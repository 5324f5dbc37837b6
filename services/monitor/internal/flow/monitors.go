// Package flow holds the verbs of the monitor service, one file per use case. A
// flow checks access, asks the domain for the decision, and lets small interfaces,
// declared here by their consumer, remember and fetch; it knows no SQL and no wire.
package flow

import (
	"context"
	"log/slog"
	"time"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// MonitorMemory is what the verbs on monitors need remembered. The contract is the
// store's.
type MonitorMemory interface {
	CreateMonitor(ctx context.Context, m domain.Monitor, secrets map[string]config.Secret) error
	GetMonitor(ctx context.Context, name string) (domain.Monitor, error)
	ListMonitors(ctx context.Context, endpoint, after string, limit int) ([]domain.Monitor, error)
	UpdateMonitor(ctx context.Context, m domain.Monitor, secrets map[string]config.Secret, clear bool, judge func([]domain.Alert) []domain.AlertChange) ([]domain.AlertChange, error)
	DeleteMonitor(ctx context.Context, name string) error
	SetBaseline(ctx context.Context, m domain.Monitor, profile []byte, rows []domain.ProfileMetrics) error
	BaselineProfile(ctx context.Context, name string) ([]byte, error)
	CommitRefresh(ctx context.Context, r domain.Refresh, judge func([]domain.Alert) []domain.AlertChange) ([]domain.AlertChange, error)
	FailRefresh(ctx context.Context, monitor string, now time.Time, why string) error
	ProfileMetrics(ctx context.Context, q domain.MetricsQuery) ([]domain.ProfileMetrics, error)
	DriftMetrics(ctx context.Context, q domain.MetricsQuery) ([]domain.DriftMetrics, error)
}

type monitorReader interface {
	GetMonitor(ctx context.Context, name string) (domain.Monitor, error)
}

// Monitors is the verbs on monitors.
type Monitors struct {
	Memory MonitorMemory
	Rows   Rows
	Access Access
	Clock  clock.Clock
	IDs    id.Source
	Log    *slog.Logger
	// Told is called after alerts changed and the outbox has something to send. It
	// must not block. Nil: the sender finds out by looking.
	Told func()
}

// open reads a monitor that the caller may manage. Who may not know the endpoint
// gets the answer of a monitor that does not exist.
func (f *Monitors) open(ctx context.Context, op, name string) (domain.Monitor, error) {
	return openMonitor(ctx, op, name, f.Memory, f.Access)
}

func openMonitor(ctx context.Context, op, name string, memory monitorReader, access Access) (domain.Monitor, error) {
	m, err := memory.GetMonitor(ctx, name)
	if err != nil {
		return m, err
	}
	err = access.Check(ctx, m.Endpoint, Manage)
	if fault.Is(err, fault.NotFound) {
		return domain.Monitor{}, fault.Wrap(op, fault.NotFound, err, "monitor %s does not exist", name).WithReason("MONITOR_NOT_FOUND")
	}
	return m, err
}

func (f *Monitors) told(changes []domain.AlertChange) {
	for _, c := range changes {
		if c.Event == nil {
			continue
		}
		f.Log.LogAttrs(context.Background(), slog.LevelInfo, "alert changed", slog.String("event", c.Event.Kind),
			slog.String("monitor", c.Alert.Monitor), slog.String("alert", c.Alert.ID), slog.String("metric", c.Alert.Threshold.Metric),
			slog.Any("columns", c.Alert.Columns))
		if f.Told != nil {
			f.Told()
		}
	}
}

// caller is the name of who asks.
func caller(ctx context.Context) string {
	p, _ := auth.From(ctx)
	return p.Name
}
