package flow

import (
	"math"
	"slices"
	"sort"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/profile"
)

// describe turns what was collected of a window into rows: the table's own numbers,
// then every watched column for all rows, then the same for each served entity.
func describe(c *collected, columns []string, logType string) ([]domain.ProfileMetrics, error) {
	out := []domain.ProfileMetrics{{Window: c.window, LogType: logType, Column: domain.ColumnTable, Rows: c.all.Rows, Errors: c.errors}}
	rows, err := describeProfile(c.all, columns)
	if err != nil {
		return nil, err
	}
	out = append(out, rows...)
	entities := make([]string, 0, len(c.slices))
	for name := range c.slices {
		entities = append(entities, name)
	}
	sort.Strings(entities)
	for _, name := range entities {
		rows, err := describeProfile(c.slices[name], columns)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			r.SliceKey, r.SliceValue = domain.ColumnServedEntity, name
			out = append(out, r)
		}
	}
	for i := range out {
		out[i].Window, out[i].LogType = c.window, logType
	}
	return out, nil
}

func describeProfile(p *profile.Profile, columns []string) ([]domain.ProfileMetrics, error) {
	var out []domain.ProfileMetrics
	for _, col := range p.Columns() {
		if !slices.Contains(columns, col.Name) {
			continue
		}
		row := domain.ProfileMetrics{Column: col.Name, Kind: domain.ColumnKind(col.Kind), Rows: p.Rows}
		if col.Kind == profile.KindNumeric {
			n := p.Numeric(col.Name)
			row.Nulls, row.Distinct = n.Nulls(), n.Distinct()
			numbers, err := describeNumeric(n)
			if err != nil {
				return nil, err
			}
			row.Numeric = numbers
		} else {
			c := p.Categorical(col.Name)
			row.Nulls, row.Distinct = c.Nulls(), c.Distinct()
			for _, item := range c.Frequent(domain.MaxFrequentItems) {
				row.Frequent = append(row.Frequent, domain.FrequentItem{Item: item.Name, Count: item.Count})
			}
		}
		out = append(out, row)
	}
	return out, nil
}

func describeNumeric(n *profile.Numeric) (*domain.NumericProfile, error) {
	if n.Count() == 0 {
		return nil, nil
	}
	q, err := n.Quantiles(0.5, 0.95, 0.99)
	if err != nil {
		return nil, fault.Wrap("monitor.describe", fault.Internal, err, "internal error")
	}
	out := &domain.NumericProfile{
		Mean: n.Mean(), StdDev: n.StdDev(), Min: n.Min(), Max: n.Max(), Median: q[0], P95: q[1], P99: q[2],
		Zeros: n.Zeros(), Invalid: n.Invalid(), Exact: n.Exact(),
	}
	// Values near the largest float can overflow the second moment; a stored row
	// must be a number.
	for _, v := range []*float64{&out.Mean, &out.StdDev} {
		if math.IsNaN(*v) || math.IsInf(*v, 0) {
			*v = math.MaxFloat64
		}
	}
	return out, nil
}
