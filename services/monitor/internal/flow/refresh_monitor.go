package flow

import (
	"context"
	"slices"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/profile"
)

const (
	// lookBack is how far back rows are looked at when everything is computed.
	lookBack = 30 * 24 * time.Hour
	// maxWindows bounds one refresh: short windows look back less far.
	maxWindows = 10_000
	// chunk is how many windows are in memory, and in one commit, at once.
	chunk = 64
	// gap is how many windows without news a scan reads over rather than starting anew.
	gap = 8
)

// RefreshResult tells what a refresh did.
type RefreshResult struct {
	Windows  int
	Rows     int64
	Profile  []domain.ProfileMetrics // of the newest window
	Drift    []domain.DriftMetrics   // of the newest window: with the baseline, or else with the window before
	Opened   []string                // alerts
	Closed   []string
	DataTime time.Time // of the newest row read; zero when there was none
}

// RefreshMonitor computes the metrics of the tumbling windows that got rows since
// the last refresh, evaluates thresholds and opens and closes alerts; with a window
// it does so for exactly that one. Repeating it changes nothing: windows are
// replaced, and alerts that are open stay the same alerts.
//
// Windows are computed from the rows, not adjusted by what is new: a row that comes
// late corrects its window whenever it comes.
func (f *Monitors) RefreshMonitor(ctx context.Context, name string, window domain.Window) (RefreshResult, error) {
	m, err := f.open(ctx, "monitor.RefreshMonitor", name)
	if err != nil {
		return RefreshResult{}, err
	}
	r := refresh{flow: f, m: m, now: f.Clock.Now().UTC().Truncate(time.Microsecond)}
	if err := r.run(ctx, window); err != nil {
		f.noteFailure(ctx, m, err)
		return RefreshResult{}, err
	}
	return r.result, nil
}

// noteFailure keeps the reason where the monitor's owner looks for it. Losing a
// race or a caller who left is no failure of the monitor.
func (f *Monitors) noteFailure(ctx context.Context, m domain.Monitor, cause error) {
	switch fault.KindOf(cause) {
	case fault.Aborted, fault.Canceled, fault.NotFound:
		return
	}
	if err := f.Memory.FailRefresh(context.WithoutCancel(ctx), m.Name, f.Clock.Now(), fault.Text(cause)); err != nil {
		f.Log.ErrorContext(ctx, "failure of a refresh not stored", "monitor", m.Name, "err", err)
	}
}

// refresh is one run.
type refresh struct {
	flow     *Monitors
	m        domain.Monitor
	now      time.Time
	baseline *profile.Profile
	result   RefreshResult
}

func (r *refresh) run(ctx context.Context, window domain.Window) error {
	if r.m.HasBaseline() {
		raw, err := r.flow.Memory.BaselineProfile(ctx, r.m.Name)
		if err != nil {
			return err
		}
		r.baseline = &profile.Profile{}
		if err := r.baseline.UnmarshalBinary(raw); err != nil {
			return fault.Wrap("monitor.refresh", fault.DataLoss, err, "the stored baseline is damaged; set it again")
		}
	}
	if !window.IsZero() {
		return r.byHand(ctx, window)
	}
	return r.tumbling(ctx)
}

// byHand computes one window that need not be a tumbling one. It is evaluated by
// itself and leaves the monitor's marks alone.
func (r *refresh) byHand(ctx context.Context, w domain.Window) error {
	c := r.collector()
	one := c.want(w)
	if err := c.scan(ctx, r.flow.Rows, r.m.Endpoint, w); err != nil {
		return err
	}
	done, err := r.compute(one, nil, c.tableVersion)
	if err != nil {
		return err
	}
	r.count(c, []computed{done})
	return r.commit(ctx, []computed{done}, []domain.Evaluated{done.evaluated()}, domain.Refresh{})
}

func (r *refresh) collector() *collector {
	var columns []domain.MonitorColumn
	for _, c := range domain.MonitorColumns() {
		if slices.Contains(r.m.Columns, c.Name) {
			columns = append(columns, c)
		}
	}
	return newCollector(columns, profile.DefaultBudget(), true)
}

// tumbling computes all windows with news, oldest first, in chunks that are
// committed one by one: a refresh that is cut off has done part of its work, and the
// next one does the rest, because the mark moves with the last chunk only.
func (r *refresh) tumbling(ctx context.Context) error {
	touched, version, err := r.touched(ctx)
	if err != nil {
		return err
	}
	evaluatedFrom := r.m.EvaluatedFrom
	if len(touched) == 0 {
		return r.commit(ctx, nil, nil, domain.Refresh{Tumbling: true, TableVersion: version, EvaluatedFrom: evaluatedFrom})
	}
	for len(touched) > 0 {
		n := 1
		for n < len(touched) && n < chunk && touched[n].Start.Sub(touched[n-1].End) <= gap*time.Duration(r.m.Granularity) {
			n++
		}
		part, last := touched[:n], n == len(touched)
		touched = touched[n:]
		done, err := r.computeTumbling(ctx, part)
		if err != nil {
			return err
		}
		mark := domain.Refresh{Tumbling: true, TableVersion: r.m.TableVersion, EvaluatedFrom: evaluatedFrom}
		var judged []domain.Evaluated
		for i, d := range done {
			// A monitor that never evaluated anything starts with its newest window:
			// alarms about last month help nobody.
			fresh := evaluatedFrom.IsZero() && last && i == len(done)-1
			if fresh || !evaluatedFrom.IsZero() && !d.window.Start.Before(evaluatedFrom) {
				judged = append(judged, d.evaluated())
				mark.EvaluatedFrom = d.window.Start
			}
		}
		evaluatedFrom = mark.EvaluatedFrom
		if last {
			mark.TableVersion = version
		}
		if err := r.commit(ctx, done, judged, mark); err != nil {
			return err
		}
	}
	return nil
}

// touched finds the windows that got rows since the table version that the metrics
// contain, oldest first, and the version that they will contain.
func (r *refresh) touched(ctx context.Context) ([]domain.Window, int64, error) {
	reach := min(lookBack, maxWindows*time.Duration(r.m.Granularity))
	from := r.m.Granularity.Window(r.now.Add(-reach).UnixMicro()).Start
	version := r.m.TableVersion
	seen := map[int64]domain.Window{}
	q := Query{Endpoint: r.m.Endpoint, From: from, SinceVersion: r.m.TableVersion}
	err := r.flow.Rows.Scan(ctx, q, func(b Columns) error {
		version = max(version, b.TableVersion)
		for _, at := range b.RequestTime[:b.Len] {
			w := r.m.Granularity.Window(at)
			seen[w.Start.UnixMicro()] = w
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	out := make([]domain.Window, 0, len(seen))
	for _, w := range seen {
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b domain.Window) int { return a.Start.Compare(b.Start) })
	return out, version, nil
}

// computeTumbling computes windows that lie close together, in one scan that also
// reads the window before each, for the consecutive comparison.
func (r *refresh) computeTumbling(ctx context.Context, windows []domain.Window) ([]computed, error) {
	c := r.collector()
	wanted := slices.Clone(windows)
	for _, w := range windows {
		wanted = append(wanted, r.m.Granularity.Before(w))
	}
	c.wantTumbling(r.m.Granularity, wanted)
	span := domain.Window{Start: r.m.Granularity.Before(windows[0]).Start, End: windows[len(windows)-1].End}
	if err := c.scan(ctx, r.flow.Rows, r.m.Endpoint, span); err != nil {
		return nil, err
	}
	byStart := map[int64]*collected{}
	for _, w := range c.windows {
		byStart[w.window.Start.UnixMicro()] = w
	}
	var out []computed
	for _, w := range windows {
		before := byStart[r.m.Granularity.Before(w).Start.UnixMicro()]
		done, err := r.compute(byStart[w.Start.UnixMicro()], before, c.tableVersion)
		if err != nil {
			return nil, err
		}
		out = append(out, done)
	}
	r.count(c, out)
	return out, nil
}

// computed is everything a window came to.
type computed struct {
	window      domain.Window
	rows        int64
	profile     []domain.ProfileMetrics
	baseline    []domain.DriftMetrics
	consecutive []domain.DriftMetrics
}

// compared is what decides: the baseline where there is one.
func (c computed) compared() []domain.DriftMetrics {
	if len(c.baseline) > 0 {
		return c.baseline
	}
	return c.consecutive
}

func (c computed) evaluated() domain.Evaluated {
	return domain.Evaluated{Window: c.window, Profile: c.profile, Drift: c.compared()}
}

func (r *refresh) compute(w, before *collected, tableVersion int64) (computed, error) {
	out := computed{window: w.window, rows: w.all.Rows}
	var err error
	if out.profile, err = describe(w, r.m.Columns, domain.LogInput); err != nil {
		return out, err
	}
	for i := range out.profile {
		out.profile[i].MonitorVersion, out.profile[i].TableVersion = r.m.Version, tableVersion
	}
	switch {
	case r.baseline == nil:
	case r.m.Baseline.Covers(w.window):
		out.baseline = insideBaseline(w, r.m)
	default:
		out.baseline, err = compare(comparison{domain.DriftBaseline, r.m.Baseline, r.baseline, w}, r.m)
		if err != nil {
			return out, err
		}
	}
	if before != nil && before.all.Rows > 0 {
		out.consecutive, err = compare(comparison{domain.DriftConsecutive, before.window, before.all, w}, r.m)
	}
	return out, err
}

// count notes what was read.
func (r *refresh) count(c *collector, done []computed) {
	r.result.Windows += len(done)
	for _, d := range done {
		r.result.Rows += d.rows
	}
	if c.newest > 0 {
		if at := time.UnixMicro(c.newest).UTC(); at.After(r.result.DataTime) {
			r.result.DataTime = at
		}
	}
	newest := done[len(done)-1]
	r.result.Profile, r.result.Drift = newest.profile, newest.compared()
}

func (r *refresh) commit(ctx context.Context, done []computed, judged []domain.Evaluated, mark domain.Refresh) error {
	mark.Monitor, mark.Version, mark.CreateTime, mark.Now = r.m.Name, r.m.Version, r.m.CreateTime, r.now
	for _, d := range done {
		mark.Windows = append(mark.Windows, d.window)
		mark.Profile = append(mark.Profile, d.profile...)
		mark.Drift = append(append(mark.Drift, d.baseline...), d.consecutive...)
	}
	changes, err := r.flow.Memory.CommitRefresh(ctx, mark, func(open []domain.Alert) []domain.AlertChange {
		return domain.Judge(r.m, open, judged, r.now, r.flow.IDs.New)
	})
	if err != nil {
		return err
	}
	for _, c := range changes {
		switch {
		case c.Event == nil:
		case c.Event.Kind == domain.EventAlertOpened:
			r.result.Opened = append(r.result.Opened, c.Alert.ID)
		default:
			r.result.Closed = append(r.result.Closed, c.Alert.ID)
		}
	}
	r.flow.told(changes)
	return nil
}
