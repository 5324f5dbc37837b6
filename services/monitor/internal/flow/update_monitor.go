package flow

import (
	"context"
	"slices"
	"time"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// UpdateMonitor replaces what may change of a monitor: granularity, columns,
// thresholds, webhooks, least rows, false-discovery rate, refresh interval, and the
// baseline if the wanted monitor has one (a baseline cannot be taken away).
//
// A wanted Version other than 0 must be the current one; so whoever reads, edits
// and writes back cannot undo another's change. Alerts of thresholds that are gone
// close.
func (f *Monitors) UpdateMonitor(ctx context.Context, wanted domain.Monitor, secrets map[string]config.Secret) (domain.Monitor, error) {
	const op = "monitor.UpdateMonitor"
	current, err := f.open(ctx, op, wanted.Name)
	if err != nil {
		return domain.Monitor{}, err
	}
	if wanted.Endpoint != "" && wanted.Endpoint != current.Endpoint {
		return domain.Monitor{}, fault.New(op, fault.Invalid, "a monitor's endpoint cannot change; make another monitor").WithReason("ENDPOINT_FIXED")
	}
	if wanted.Version != 0 && wanted.Version != current.Version {
		return domain.Monitor{}, fault.New(op, fault.Aborted, "the monitor is at version %d, not %d; read it again", current.Version, wanted.Version).WithReason("MONITOR_CHANGED")
	}
	next := current
	next.Granularity, next.Columns, next.Thresholds = wanted.Granularity, wanted.Columns, wanted.Thresholds
	next.Webhooks, next.MinRows, next.FDR, next.RefreshInterval = wanted.Webhooks, wanted.MinRows, wanted.FDR, wanted.RefreshInterval
	next.Complete()
	if err := next.Validate(); err != nil {
		return domain.Monitor{}, err
	}
	var base *baselineRows
	if !wanted.Baseline.IsZero() && !wanted.Baseline.Equal(current.Baseline) {
		if base, err = f.readBaseline(ctx, next, wanted.Baseline); err != nil {
			return domain.Monitor{}, err
		}
	}
	next.Version, next.UpdateTime = current.Version+1, f.Clock.Now().UTC().Truncate(time.Microsecond)
	if current.Outdates(next) {
		next.TableVersion, next.EvaluatedFrom = domain.NothingRead, time.Time{}
	}
	reshaped := current.Granularity != next.Granularity || !slices.Equal(current.Columns, next.Columns)
	changes, err := f.Memory.UpdateMonitor(ctx, next, secrets, reshaped, func(open []domain.Alert) []domain.AlertChange {
		return domain.Judge(next, open, nil, next.UpdateTime, f.IDs.New)
	})
	if err != nil {
		return domain.Monitor{}, err
	}
	f.told(changes)
	if base != nil {
		if _, err := f.storeBaseline(ctx, next, base); err != nil {
			return domain.Monitor{}, err
		}
	}
	return f.Memory.GetMonitor(ctx, next.Name)
}
