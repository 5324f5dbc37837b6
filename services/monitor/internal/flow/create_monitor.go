package flow

import (
	"context"
	"time"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// CreateMonitor starts to watch an endpoint. The caller fills what it wants: name,
// endpoint, granularity, columns, thresholds, webhooks, refresh interval and maybe
// a baseline window; secrets are by webhook URL. Everything else is set here.
func (f *Monitors) CreateMonitor(ctx context.Context, m domain.Monitor, secrets map[string]config.Secret) (domain.Monitor, error) {
	if err := f.Access.Check(ctx, m.Endpoint, Manage); err != nil {
		return domain.Monitor{}, err
	}
	baseline := m.Baseline
	now := f.Clock.Now().UTC().Truncate(time.Microsecond) // as it will be stored
	m.Baseline, m.BaselineRows = domain.Window{}, 0
	m.Version, m.Owner, m.CreateTime, m.UpdateTime = 1, caller(ctx), now, now
	m.LastRefreshTime, m.LastError, m.TableVersion, m.EvaluatedFrom = time.Time{}, "", domain.NothingRead, time.Time{}
	m.Complete()
	if err := m.Validate(); err != nil {
		return domain.Monitor{}, err
	}
	// The baseline is read before anything is stored: too few rows must not leave a
	// half-made monitor behind.
	var base *baselineRows
	if !baseline.IsZero() {
		var err error
		if base, err = f.readBaseline(ctx, m, baseline); err != nil {
			return domain.Monitor{}, err
		}
	}
	if err := f.Memory.CreateMonitor(ctx, m, secrets); err != nil {
		return domain.Monitor{}, err
	}
	if base != nil {
		if _, err := f.storeBaseline(ctx, m, base); err != nil {
			return domain.Monitor{}, err
		}
	}
	return f.Memory.GetMonitor(ctx, m.Name)
}
