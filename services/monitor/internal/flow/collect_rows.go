package flow

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/profile"
)

const (
	// maxSlices is how many served entities of one window get profiles of their own.
	maxSlices = 100
	// failedStatus is the least status code that counts as an error of ours.
	failedStatus = 500
	// inParallel is the least batch for which columns are worth goroutines.
	inParallel = 1024
)

// collector sorts the rows of one scan into windows and served entities and
// profiles them. Each row is added to one profile; a window's profile of all rows is
// merged from those of its entities.
type collector struct {
	columns []domain.MonitorColumn
	kinds   []profile.Column
	budget  profile.Budget
	sliced  bool

	windows      []*collected
	find         func(micros int64) *collected // nil: no wanted window holds that instant
	tableVersion int64
	newest       int64 // microseconds, of the newest row that fell into a window
}

// collected is one window's rows, condensed. all and slices are there once the scan
// is done.
type collected struct {
	window     domain.Window
	start, end int64                       // of the window, microseconds
	parts      map[string]*profile.Profile // by served entity; "" holds the others
	errors     int64

	all    *profile.Profile
	slices map[string]*profile.Profile
}

func newCollector(columns []domain.MonitorColumn, b profile.Budget, sliced bool) *collector {
	c := &collector{columns: columns, budget: b, sliced: sliced, tableVersion: domain.NothingRead}
	for _, col := range columns {
		kind := profile.KindNumeric
		if col.Kind == domain.Categorical {
			kind = profile.KindCategorical
		}
		c.kinds = append(c.kinds, profile.Column{Name: col.Name, Kind: kind})
	}
	return c
}

// want collects one window, whatever its length.
func (c *collector) want(w domain.Window) *collected {
	one := c.add(w)
	c.find = func(micros int64) *collected {
		if micros < one.start || micros >= one.end {
			return nil
		}
		return one
	}
	return one
}

// wantTumbling collects some of the tumbling windows.
func (c *collector) wantTumbling(g domain.Granularity, windows []domain.Window) {
	byStart := map[int64]*collected{}
	for _, w := range windows {
		if start := w.Start.UnixMicro(); byStart[start] == nil {
			byStart[start] = c.add(w)
		}
	}
	c.find = func(micros int64) *collected { return byStart[g.Window(micros).Start.UnixMicro()] }
}

func (c *collector) add(w domain.Window) *collected {
	one := &collected{window: w, start: w.Start.UnixMicro(), end: w.End.UnixMicro(), parts: map[string]*profile.Profile{}}
	c.windows = append(c.windows, one)
	return one
}

// scan reads the rows of a span of time.
func (c *collector) scan(ctx context.Context, rows Rows, endpoint string, span domain.Window) error {
	names := []string{domain.ColumnStatusCode, domain.ColumnServedEntity}
	for _, col := range c.columns {
		if !slices.Contains(names, col.Name) {
			names = append(names, col.Name)
		}
	}
	q := Query{Endpoint: endpoint, From: span.Start, To: span.End, Columns: names, SinceVersion: domain.NothingRead}
	if err := rows.Scan(ctx, q, c.take); err != nil {
		return err
	}
	for _, w := range c.windows {
		if err := c.merge(w); err != nil {
			return fault.Wrap("monitor.scan", fault.Internal, err, "internal error")
		}
	}
	return nil
}

// merge makes a window's profile of all rows, in the order of names, so that it
// comes out the same every time.
func (c *collector) merge(w *collected) error {
	w.all, w.slices = profile.New(c.kinds, c.budget), map[string]*profile.Profile{}
	for _, name := range slices.Sorted(maps.Keys(w.parts)) {
		part := w.parts[name]
		if name != "" {
			w.slices[name] = part
		}
		if len(w.parts) == 1 {
			w.all = part // nobody changes it any more
			return nil
		}
		if err := w.all.Merge(part); err != nil {
			return err
		}
	}
	return nil
}

// take files one batch.
func (c *collector) take(b Columns) error {
	c.tableVersion = max(c.tableVersion, b.TableVersion)
	groups, err := c.group(b)
	if err != nil || len(groups) == 0 {
		return err
	}
	for _, g := range groups {
		g.profile.Rows += int64(len(g.rows))
	}
	if err := countErrors(b, groups); err != nil {
		return err
	}
	if b.Len < inParallel {
		for _, col := range c.columns {
			if err := file(b, col, groups); err != nil {
				return err
			}
		}
		return nil
	}
	// Columns share nothing, so each may have its own processor.
	failed := make([]error, len(c.columns))
	var wg sync.WaitGroup
	for i, col := range c.columns {
		wg.Go(func() { failed[i] = file(b, col, groups) })
	}
	wg.Wait()
	return slices.MaxFunc(failed, func(a, b error) int {
		switch {
		case a == nil && b != nil:
			return -1
		case a != nil && b == nil:
			return 1
		}
		return 0
	})
}

// group is the rows of a batch, by index, that go into one profile.
type group struct {
	into    *collected
	entity  string
	profile *profile.Profile
	rows    []int32
}

// group sorts a batch's rows by window and served entity. Neighbouring rows mostly
// share both, so the last hit is tried first and then the few others in turn.
func (c *collector) group(b Columns) ([]group, error) {
	entities, err := c.entities(b)
	if err != nil {
		return nil, err
	}
	var out []group
	at := -1
	var w *collected
	for i := range b.Len {
		micros := b.RequestTime[i]
		if w == nil || micros < w.start || micros >= w.end {
			if w = c.find(micros); w == nil {
				continue
			}
		}
		c.newest = max(c.newest, micros)
		name := ""
		if entities != nil {
			name = entities[i]
		}
		if at < 0 || out[at].into != w || out[at].entity != name {
			at = slices.IndexFunc(out, func(g group) bool { return g.into == w && g.entity == name })
			if at < 0 {
				at = len(out)
				out = append(out, group{into: w, entity: name, profile: c.part(w, name)})
			}
		}
		out[at].rows = append(out[at].rows, int32(i)) // a batch is far below 2³¹ rows
	}
	return out, nil
}

func (c *collector) entities(b Columns) ([]string, error) {
	if !c.sliced {
		return nil, nil
	}
	names, _, err := b.texts(domain.ColumnServedEntity)
	return names, err
}

// part is the profile that a window's rows of one served entity go into.
func (c *collector) part(w *collected, entity string) *profile.Profile {
	p := w.parts[entity]
	if p == nil && len(w.parts) >= maxSlices {
		entity = ""
		p = w.parts[entity]
	}
	if p == nil {
		p = profile.New(c.kinds, c.budget)
		w.parts[entity] = p
	}
	return p
}

// countErrors counts rows whose call failed on our side: a status of 500 and up, or
// none because the process died before the answer.
func countErrors(b Columns, groups []group) error {
	status, null, err := b.numbers(domain.ColumnStatusCode)
	if err != nil {
		return err
	}
	for _, g := range groups {
		for _, i := range g.rows {
			if null != nil && null[i] || status[i] == 0 || status[i] >= failedStatus {
				g.into.errors++
			}
		}
	}
	return nil
}

// file adds one column of a batch to the profiles.
func file(b Columns, col domain.MonitorColumn, groups []group) error {
	if col.Kind == domain.Numeric {
		values, null, err := b.numbers(col.Name)
		if err != nil {
			return err
		}
		if col.ZeroIsNull {
			null = zeroIsNull(values, null)
		}
		for _, g := range groups {
			g.profile.Numeric(col.Name).Add(gather(values, g.rows), gather(null, g.rows))
		}
		return nil
	}
	values, null, err := b.texts(col.Name)
	if err != nil {
		return err
	}
	if col.ZeroIsNull {
		null = zeroIsNull(values, null)
	}
	for _, g := range groups {
		g.profile.Categorical(col.Name).Add(gather(values, g.rows), gather(null, g.rows))
	}
	return nil
}

// gather takes some of a column; all of it, without a copy, when all rows are wanted.
func gather[T any](values []T, rows []int32) []T {
	if values == nil || len(rows) == len(values) {
		return values
	}
	out := make([]T, len(rows))
	for k, i := range rows {
		out[k] = values[i]
	}
	return out
}

// zeroIsNull marks zero values as nulls, in a mask of its own: the batch's may be
// used again by whoever made it.
func zeroIsNull[T comparable](values []T, null []bool) []bool {
	var zero T
	out := make([]bool, len(values))
	copy(out, null)
	for i, v := range values {
		if v == zero {
			out[i] = true
		}
	}
	return out
}
