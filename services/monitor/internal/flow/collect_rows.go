package flow

import (
	"context"
	"slices"
	"strconv"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/profile"
)

const (
	// maxSlices is how many served entities of one window get profiles of their own.
	maxSlices = 100
	// sliceValues is the budget of a slice's numeric columns: its profile is shown,
	// never compared.
	sliceValues = 1 << 12
	// failedStatus is the least status code that counts as an error of ours.
	failedStatus = 500
)

// collector sorts the rows of one scan into windows and profiles them.
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

// collected is one window's rows, condensed.
type collected struct {
	window domain.Window
	all    *profile.Profile
	slices map[string]*profile.Profile
	errors int64
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
	start, end := w.Start.UnixMicro(), w.End.UnixMicro()
	c.find = func(micros int64) *collected {
		if micros < start || micros >= end {
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
	one := &collected{window: w, all: profile.New(c.kinds, c.budget), slices: map[string]*profile.Profile{}}
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
	return rows.Scan(ctx, q, c.take)
}

// take files one batch.
func (c *collector) take(b Columns) error {
	c.tableVersion = max(c.tableVersion, b.TableVersion)
	groups := c.group(b)
	if len(groups) == 0 {
		return nil
	}
	for _, g := range groups {
		g.into.all.Rows += int64(len(g.rows))
	}
	entities, _, err := b.texts(domain.ColumnServedEntity)
	if err != nil {
		return err
	}
	var sliced []group
	if c.sliced {
		for _, g := range groups {
			sliced = append(sliced, g.slice(entities, c.kinds, c.budget.Categories)...)
		}
	}
	if err := countErrors(b, groups); err != nil {
		return err
	}
	for _, col := range c.columns {
		if err := file(b, col, groups, sliced); err != nil {
			return err
		}
	}
	return nil
}

// group is the rows of a batch, by index, that go into one profile.
type group struct {
	into    *collected
	profile *profile.Profile
	rows    []int
}

// group sorts a batch's rows by window. Batches are mostly in the order of time, so
// the window before is mostly right.
func (c *collector) group(b Columns) []group {
	var out []group
	at := map[*collected]int{}
	for i := range b.Len {
		w := c.find(b.RequestTime[i])
		if w == nil {
			continue
		}
		c.newest = max(c.newest, b.RequestTime[i])
		j, seen := at[w]
		if !seen {
			j = len(out)
			at[w] = j
			out = append(out, group{into: w, profile: w.all})
		}
		out[j].rows = append(out[j].rows, i)
	}
	return out
}

// slice sorts a group's rows by served entity.
func (g group) slice(entities []string, kinds []profile.Column, categories int) []group {
	var out []group
	at := map[string]int{}
	for _, i := range g.rows {
		name := entities[i]
		if name == "" {
			continue
		}
		j, seen := at[name]
		if !seen {
			p := g.into.slices[name]
			if p == nil {
				if len(g.into.slices) == maxSlices {
					continue
				}
				p = profile.New(kinds, profile.Budget{Values: sliceValues, Categories: categories})
				g.into.slices[name] = p
			}
			j = len(out)
			at[name] = j
			out = append(out, group{into: g.into, profile: p})
		}
		out[j].rows = append(out[j].rows, i)
		out[j].profile.Rows++
	}
	return out
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
func file(b Columns, col domain.MonitorColumn, groups, sliced []group) error {
	if col.Kind == domain.Numeric {
		values, null, err := b.numbers(col.Name)
		if err != nil {
			return err
		}
		each(groups, sliced, func(g group) {
			x, n := pick(values, g.rows), pickNull(null, g.rows)
			if col.ZeroIsNull {
				n = zeroIsNull(x, n)
			}
			g.profile.Numeric(col.Name).Add(x, n)
		})
		return nil
	}
	values, null, err := b.texts(col.Name)
	if err != nil {
		return err
	}
	each(groups, sliced, func(g group) {
		x, n := pick(values, g.rows), pickNull(null, g.rows)
		if col.ZeroIsNull {
			n = zeroIsNull(x, n)
		}
		g.profile.Categorical(col.Name).Add(x, n)
	})
	return nil
}

func each(groups, sliced []group, visit func(group)) {
	for _, g := range groups {
		visit(g)
	}
	for _, g := range sliced {
		visit(g)
	}
}

func pick[T any](values []T, rows []int) []T {
	out := make([]T, len(rows))
	for k, i := range rows {
		out[k] = values[i]
	}
	return out
}

func pickNull(null []bool, rows []int) []bool {
	if null == nil {
		return nil
	}
	return pick(null, rows)
}

func zeroIsNull[T comparable](values []T, null []bool) []bool {
	var zero T
	if null == nil {
		null = make([]bool, len(values))
	}
	for i, v := range values {
		null[i] = null[i] || v == zero
	}
	return null
}

// numbers gives a column as floats, whichever way the batch carries it.
func (b Columns) numbers(name string) (values []float64, null []bool, err error) {
	if c, ok := b.Float64[name]; ok {
		return c.Values, c.Null, b.check(name, len(c.Values))
	}
	c, ok := b.Int64[name]
	if !ok {
		return nil, nil, missing(name)
	}
	values = make([]float64, len(c.Values))
	for i, v := range c.Values {
		values[i] = float64(v)
	}
	return values, c.Null, b.check(name, len(values))
}

// texts gives a column as names. A number's name is its digits; 0 stays the empty
// name, which columns with ZeroIsNull read as a null.
func (b Columns) texts(name string) (values []string, null []bool, err error) {
	if c, ok := b.String[name]; ok {
		return c.Values, c.Null, b.check(name, len(c.Values))
	}
	c, ok := b.Int64[name]
	if !ok {
		return nil, nil, missing(name)
	}
	values = make([]string, len(c.Values))
	for i, v := range c.Values {
		if v != 0 {
			values[i] = strconv.FormatInt(v, 10)
		}
	}
	return values, c.Null, b.check(name, len(values))
}

func (b Columns) check(name string, n int) error {
	if n != b.Len {
		return fault.New("monitor.scan", fault.Internal, "column %s has %d of %d rows", name, n, b.Len)
	}
	return nil
}

func missing(name string) error {
	return fault.New("monitor.scan", fault.Internal, "the inference table gave no column %s", name)
}
