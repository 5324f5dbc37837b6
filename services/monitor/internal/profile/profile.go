// Package profile condenses the rows of a window into one small summary per
// column, from which everything a monitor shows or decides can be computed again:
// counts, moments, quantiles, frequent values, and the samples that the drift
// statistics compare.
//
// A summary is exact as long as a column has few distinct values, which token
// counts, lengths and statuses do for any number of rows. Beyond a budget a
// numeric column becomes a log-linear histogram (relative error of a value at most
// 2⁻⁹) and the drift distance becomes a certified interval instead of a number that
// looks exact and is not. Summaries of disjoint rows merge; counts, histograms and
// distinct estimates merge exactly, in any order, so that hours roll up into days
// without reading rows again.
package profile

import (
	"fmt"
	"sort"
)

// Kind tells how a column is summarised and compared.
type Kind string

// The kinds of columns.
const (
	KindNumeric     Kind = "numeric"
	KindCategorical Kind = "categorical"
)

// Column names a column and its kind.
type Column struct {
	Name string
	Kind Kind
}

// Budget bounds a summary's memory.
type Budget struct {
	Values     int // distinct values kept exactly per numeric column; then a histogram
	Categories int // categories counted exactly per categorical column; then the frequent ones
}

// DefaultBudget keeps Kolmogorov–Smirnov exact up to 65,536 distinct values.
func DefaultBudget() Budget { return Budget{Values: 1 << 16, Categories: 1 << 12} }

// Profile summarises the rows of one window or baseline. It is not safe for
// concurrent use.
type Profile struct {
	Rows        int64
	numeric     map[string]*Numeric
	categorical map[string]*Categorical
}

// New makes an empty profile of these columns.
func New(columns []Column, b Budget) *Profile {
	p := &Profile{numeric: map[string]*Numeric{}, categorical: map[string]*Categorical{}}
	for _, c := range columns {
		if c.Kind == KindCategorical {
			p.categorical[c.Name] = NewCategorical(b.Categories)
		} else {
			p.numeric[c.Name] = NewNumeric(b.Values)
		}
	}
	return p
}

// Columns lists the profile's columns by name.
func (p *Profile) Columns() []Column {
	out := make([]Column, 0, len(p.numeric)+len(p.categorical))
	for name := range p.numeric {
		out = append(out, Column{name, KindNumeric})
	}
	for name := range p.categorical {
		out = append(out, Column{name, KindCategorical})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// Numeric is the summary of a numeric column, nil when there is none of that name.
func (p *Profile) Numeric(name string) *Numeric { return p.numeric[name] }

// Categorical is the summary of a categorical column, nil when there is none.
func (p *Profile) Categorical(name string) *Categorical { return p.categorical[name] }

// Merge adds another profile of the same columns over other rows. It fails, and
// changes nothing, when the columns differ.
func (p *Profile) Merge(other *Profile) error {
	a, b := p.Columns(), other.Columns()
	if len(a) != len(b) {
		return fmt.Errorf("profile: merge of %d columns with %d", len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			return fmt.Errorf("profile: merge of column %s (%s) with %s (%s)", a[i].Name, a[i].Kind, b[i].Name, b[i].Kind)
		}
	}
	p.Rows += other.Rows
	for name, n := range p.numeric {
		n.Merge(other.numeric[name])
	}
	for name, c := range p.categorical {
		c.Merge(other.categorical[name])
	}
	return nil
}
