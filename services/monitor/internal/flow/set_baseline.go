package flow

import (
	"context"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/profile"
)

// SetBaseline takes the rows of a time window as what is normal. The profile of
// those rows is stored, so later comparisons neither read the rows again nor depend
// on their retention. Everything computed before is computed again by the next
// refresh.
func (f *Monitors) SetBaseline(ctx context.Context, name string, w domain.Window) (domain.Monitor, error) {
	m, err := f.open(ctx, "monitor.SetBaseline", name)
	if err != nil {
		return domain.Monitor{}, err
	}
	base, err := f.readBaseline(ctx, m, w)
	if err != nil {
		return domain.Monitor{}, err
	}
	return f.storeBaseline(ctx, m, base)
}

// baselineRows is a baseline that was read and not yet stored.
type baselineRows struct {
	window  domain.Window
	rows    int64
	profile []byte
	metrics []domain.ProfileMetrics
}

// readBaseline profiles every column that can be watched, not only those that are:
// the monitor may watch others tomorrow.
func (f *Monitors) readBaseline(ctx context.Context, m domain.Monitor, w domain.Window) (*baselineRows, error) {
	const op = "monitor.readBaseline"
	c := newCollector(domain.MonitorColumns(), profile.DefaultBudget(), false)
	c.want(w)
	if err := c.scan(ctx, f.Rows, m.Endpoint, w); err != nil {
		return nil, err
	}
	found := c.windows[0]
	if found.all.Rows < int64(m.MinRows) {
		return nil, fault.New(op, fault.FailedPrecondition, "the window holds %d rows of endpoint %s; a baseline needs at least %d",
			found.all.Rows, m.Endpoint, m.MinRows).WithReason("BASELINE_TOO_SMALL")
	}
	raw, err := found.all.MarshalBinary()
	if err != nil {
		return nil, fault.Wrap(op, fault.Internal, err, "internal error")
	}
	metrics, err := describe(found, m.Columns, domain.LogBaseline)
	if err != nil {
		return nil, err
	}
	for i := range metrics {
		metrics[i].TableVersion = c.tableVersion
	}
	return &baselineRows{window: w, rows: found.all.Rows, profile: raw, metrics: metrics}, nil
}

func (f *Monitors) storeBaseline(ctx context.Context, m domain.Monitor, b *baselineRows) (domain.Monitor, error) {
	m.Baseline, m.BaselineRows = b.window, b.rows
	m.Version, m.UpdateTime = m.Version+1, f.Clock.Now().UTC().Truncate(time.Microsecond)
	m.TableVersion, m.EvaluatedFrom = domain.NothingRead, time.Time{}
	for i := range b.metrics {
		b.metrics[i].MonitorVersion = m.Version
	}
	if err := f.Memory.SetBaseline(ctx, m, b.profile, b.metrics); err != nil {
		return domain.Monitor{}, err
	}
	return f.Memory.GetMonitor(ctx, m.Name)
}
