package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// ListMonitors lists the monitors that the caller may manage, by name, after a
// name; of one endpoint, or of all when endpoint is empty. more tells that there
// are further ones.
func (f *Monitors) ListMonitors(ctx context.Context, endpoint, after string, limit int) (page []domain.Monitor, more bool, err error) {
	g := newGate(f.Access)
	if endpoint != "" {
		if err := f.Access.Check(ctx, endpoint, Manage); err != nil {
			return nil, false, err
		}
	}
	return visible(limit, func(last *domain.Monitor, n int) ([]domain.Monitor, error) {
		from := after
		if last != nil {
			from = last.Name
		}
		return f.Memory.ListMonitors(ctx, endpoint, from, n)
	}, func(m domain.Monitor) (bool, error) { return g.opens(ctx, m.Endpoint) })
}
