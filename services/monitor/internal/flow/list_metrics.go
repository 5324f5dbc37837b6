package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// ListProfileMetrics lists a monitor's profile rows, newest window first; more
// tells that there are further ones.
func (f *Monitors) ListProfileMetrics(ctx context.Context, q domain.MetricsQuery) (page []domain.ProfileMetrics, more bool, err error) {
	if _, err := f.open(ctx, "monitor.ListProfileMetrics", q.Monitor); err != nil {
		return nil, false, err
	}
	limit := q.Limit
	q.Limit++ // one more tells whether there are more
	page, err = f.Memory.ProfileMetrics(ctx, q)
	return page[:min(limit, len(page))], len(page) > limit, err
}

// ListDriftMetrics lists a monitor's drift rows in the same way.
func (f *Monitors) ListDriftMetrics(ctx context.Context, q domain.MetricsQuery) (page []domain.DriftMetrics, more bool, err error) {
	if _, err := f.open(ctx, "monitor.ListDriftMetrics", q.Monitor); err != nil {
		return nil, false, err
	}
	limit := q.Limit
	q.Limit++
	page, err = f.Memory.DriftMetrics(ctx, q)
	return page[:min(limit, len(page))], len(page) > limit, err
}
