package store

import (
	"context"
	"time"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// MonitorStore keeps monitors, what they compute, the alerts they open, the outbox
// of webhooks, and feedback. The suite in this package proves the contract on
// SQLite and on PostgreSQL.
//
// Errors are faults. A monitor that is not there is NotFound, a name that is taken
// AlreadyExists, a change against a version that is no longer current Aborted.
//
// Names compare by their bytes. Times are kept in microseconds. Text must not hold
// NUL, which PostgreSQL cannot keep.
//
// Functions given to a method run inside its transaction and may run more than
// once: they must have no effect but their result.
type MonitorStore interface {
	Monitors
	Metrics
	Alerts
	Outbox
	FeedbackLog
}

// Monitors keeps the monitors themselves.
type Monitors interface {
	// CreateMonitor adds a monitor with its webhooks; secrets are by URL.
	CreateMonitor(ctx context.Context, m domain.Monitor, secrets map[string]config.Secret) error
	// GetMonitor reads one monitor.
	GetMonitor(ctx context.Context, name string) (domain.Monitor, error)
	// ListMonitors reads at most limit monitors with names above after, ascending;
	// of one endpoint, or of all when endpoint is empty.
	ListMonitors(ctx context.Context, endpoint, after string, limit int) ([]domain.Monitor, error)
	// UpdateMonitor replaces what may change, if the stored version is still
	// m.Version − 1 and the monitor still the one created at m.CreateTime, and applies
	// what judge makes of its open alerts. A webhook of a URL that had a secret keeps
	// it unless secrets has a new one. With clear, computed input metrics are removed.
	UpdateMonitor(ctx context.Context, m domain.Monitor, secrets map[string]config.Secret, clear bool, judge Judge) ([]domain.AlertChange, error)
	// DeleteMonitor removes a monitor with all that belongs to it.
	DeleteMonitor(ctx context.Context, name string) error
	// SetBaseline stores m's baseline, the profile it is made of and its rows, under
	// the same condition as UpdateMonitor.
	SetBaseline(ctx context.Context, m domain.Monitor, profile []byte, rows []domain.ProfileMetrics) error
	// BaselineProfile reads what SetBaseline stored; nil when nothing is.
	BaselineProfile(ctx context.Context, name string) ([]byte, error)
	// ClaimDue leases at most limit monitors whose refresh is due, until a later
	// instant: no other claim gives them out before. A refresh that is stored, or
	// noted as failed, ends the lease.
	ClaimDue(ctx context.Context, now, until time.Time, limit int) ([]string, error)
}

// Judge decides what becomes of a monitor's open alerts.
type Judge = func(open []domain.Alert) []domain.AlertChange

// Metrics keeps what refreshes compute.
type Metrics interface {
	// CommitRefresh replaces the metrics of the refresh's windows, moves the monitor
	// on, applies what judge makes of its open alerts and fills the outbox, all or
	// nothing. Aborted when the monitor has changed since.
	CommitRefresh(ctx context.Context, r domain.Refresh, judge Judge) ([]domain.AlertChange, error)
	// FailRefresh notes why a refresh failed; no error when the monitor is gone.
	FailRefresh(ctx context.Context, monitor string, now time.Time, why string) error
	// ProfileMetrics lists rows by window start and end (newest first), then by log
	// type, slice and column.
	ProfileMetrics(ctx context.Context, q domain.MetricsQuery) ([]domain.ProfileMetrics, error)
	// DriftMetrics lists rows by window start and end (newest first), then by drift
	// type and column.
	DriftMetrics(ctx context.Context, q domain.MetricsQuery) ([]domain.DriftMetrics, error)
}

// Alerts reads alerts; only refreshes and updates write them.
type Alerts interface {
	// ListAlerts lists alerts by open time, then id, both descending.
	ListAlerts(ctx context.Context, q domain.AlertQuery) ([]domain.Alert, error)
}

// Outbox is what webhooks still have to be told. An event is in it from the commit
// that changed the alert until it is delivered or abandoned, across restarts.
type Outbox interface {
	// ClaimDeliveries leases deliveries that are due, counts the attempt, and hands
	// them out, oldest first. Two events of one alert never go to one address out of
	// order: the later waits until the earlier is delivered or abandoned.
	ClaimDeliveries(ctx context.Context, now, until time.Time, limit int) ([]domain.Delivery, error)
	// WebhookSecret is the secret of a monitor's webhook, empty when it has none;
	// false when the monitor no longer has that webhook.
	WebhookSecret(ctx context.Context, monitor, url string) (config.Secret, bool, error)
	// FinishDelivery ends a delivery: delivered, or abandoned for a reason.
	FinishDelivery(ctx context.Context, d domain.Delivery, now time.Time, abandoned string) error
	// RetryDelivery makes a delivery due again at a later instant.
	RetryDelivery(ctx context.Context, d domain.Delivery, now, next time.Time, why string) error
	// Pending counts deliveries not yet ended.
	Pending(ctx context.Context) (int64, error)
}

// FeedbackLog keeps judgements; they are only ever added.
type FeedbackLog interface {
	AddFeedback(ctx context.Context, f domain.Feedback) error
	// ListFeedback lists judgements by create time, then id, both descending.
	ListFeedback(ctx context.Context, q domain.FeedbackQuery) ([]domain.Feedback, error)
}

// NewMonitorStore keeps monitors in an open database that has this service's
// migrations.
func NewMonitorStore(db *sqlkit.DB) MonitorStore { return &monitors{db: db} }

type monitors struct{ db *sqlkit.DB }
