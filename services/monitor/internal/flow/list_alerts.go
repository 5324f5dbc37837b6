package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// AlertMemory is what the verbs on alerts need remembered.
type AlertMemory interface {
	GetMonitor(ctx context.Context, name string) (domain.Monitor, error)
	ListAlerts(ctx context.Context, q domain.AlertQuery) ([]domain.Alert, error)
}

// Alerts is the verbs on alerts.
type Alerts struct {
	Memory AlertMemory
	Access Access
}

// ListAlerts lists the alerts of endpoints that the caller may manage, newest
// first; more tells that there are further ones. A monitor or an endpoint that is
// named and may not be seen is an error, not an empty list.
func (f *Alerts) ListAlerts(ctx context.Context, q domain.AlertQuery) (page []domain.Alert, more bool, err error) {
	if q.Monitor != "" {
		if _, err := openMonitor(ctx, "monitor.ListAlerts", q.Monitor, f.Memory, f.Access); err != nil {
			return nil, false, err
		}
	}
	if q.Endpoint != "" {
		if err := f.Access.Check(ctx, q.Endpoint, Manage); err != nil {
			return nil, false, err
		}
	}
	g := newGate(f.Access)
	return visible(q.Limit, func(last *domain.Alert, n int) ([]domain.Alert, error) {
		next := q
		next.Limit = n
		if last != nil {
			next.After = domain.TimeKey{Micros: last.OpenTime.UnixMicro(), ID: last.ID}
		}
		return f.Memory.ListAlerts(ctx, next)
	}, func(a domain.Alert) (bool, error) { return g.opens(ctx, a.Endpoint) })
}
