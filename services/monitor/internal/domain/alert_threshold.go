package domain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Metrics with a meaning of their own; the others are columns of the profile and
// drift tables.
const (
	MetricDrifted   = "drifted"
	MetricErrorRate = "error_rate" // share of rows with a status ≥ 500 or none, 0 … 1
	MetricCount     = "count"
)

// How bad an alert is.
const (
	SeverityWarning  = "WARNING"
	SeverityCritical = "CRITICAL"
)

var profileMetrics = []string{
	MetricCount, MetricErrorRate, "num_nulls", "percent_null", "distinct_count", "mean", "stddev", "min", "max", "median", "p50", "p95", "p99",
	"num_zeros", "percent_zeros",
}

var driftMetrics = []string{
	MetricDrifted, "ks_statistic", "ks_pvalue", "chi_squared_statistic", "chi_squared_pvalue", "js_distance", "psi",
	"wasserstein", "wasserstein_normed", "tv_distance", "l_infinity", "mean_delta", "p_adjusted", "effect",
}

// Threshold opens an alert when a metric of a window crosses it.
type Threshold struct {
	Metric   string
	Column   string // empty: any watched column
	Operator string // > >= < <=; empty for drifted
	Value    float64
	Severity string
}

// Complete fills the severity and clears what drifted does not use, so that two
// thresholds that mean the same are the same.
func (t Threshold) Complete() Threshold {
	if t.Severity == "" {
		t.Severity = SeverityCritical
	}
	if t.Metric == MetricDrifted {
		t.Operator, t.Value = "", 0
	}
	return t
}

// Validate says what is wrong with a threshold of a monitor that watches columns.
func (t Threshold) Validate(columns []string) error {
	const op = "monitor.Threshold"
	known := slices.Concat(driftMetrics, profileMetrics)
	if !slices.Contains(known, t.Metric) {
		return fault.New(op, fault.Invalid, "metric %q is unknown; known are %s", t.Metric, strings.Join(known, ", ")).WithReason("METRIC_UNKNOWN")
	}
	if t.Metric != MetricDrifted && !slices.Contains([]string{">", ">=", "<", "<="}, t.Operator) {
		return fault.New(op, fault.Invalid, "a threshold on %s needs an operator: >, >=, < or <=", t.Metric).WithReason("OPERATOR_INVALID")
	}
	if t.Value != t.Value {
		return fault.New(op, fault.Invalid, "a threshold's value must be a number").WithReason("VALUE_INVALID")
	}
	if t.Severity != SeverityWarning && t.Severity != SeverityCritical {
		return fault.New(op, fault.Invalid, "severity must be %s or %s", SeverityWarning, SeverityCritical).WithReason("SEVERITY_INVALID")
	}
	onTable := t.Metric == MetricErrorRate || t.Metric == MetricCount
	switch {
	case t.Column == "":
	case t.Column == ColumnTable && onTable:
	case t.Metric == MetricErrorRate:
		return fault.New(op, fault.Invalid, "error_rate belongs to no column").WithReason("COLUMN_INVALID")
	case !slices.Contains(columns, t.Column):
		return fault.New(op, fault.Invalid, "the monitor does not watch column %q", t.Column).WithReason("COLUMN_NOT_WATCHED")
	}
	return nil
}

// Key names the threshold: equal keys, equal thresholds. At most one alert per
// monitor and key is open.
func (t Threshold) Key() string {
	return strings.Join([]string{t.Metric, t.Column, t.Operator, strconv.FormatFloat(t.Value, 'g', -1, 64), t.Severity}, "|")
}

// crosses applies the operator.
func (t Threshold) crosses(v float64) bool {
	switch t.Operator {
	case ">":
		return v > t.Value
	case ">=":
		return v >= t.Value
	case "<":
		return v < t.Value
	case "<=":
		return v <= t.Value
	}
	return false
}

// Finding is what one window says about one threshold.
type Finding struct {
	// Known is false when the window cannot tell: too few rows, or the metric does
	// not exist there. An alert then stays as it is.
	Known   bool
	Columns []string // those that crossed, the worst first; empty: not crossed
	Value   float64  // the worst one's
	Message string
}

// Crossed tells whether an alert must be open.
func (f Finding) Crossed() bool { return len(f.Columns) > 0 }

// Evaluated is everything one window has to say, for all rows (no slices).
type Evaluated struct {
	Window  Window
	Profile []ProfileMetrics
	Drift   []DriftMetrics // with the baseline, or where there is none with the window before
}

type crossing struct {
	column string
	value  float64
	text   string
}

// Evaluate asks one window about one threshold. Of several columns the one
// farthest past the threshold comes first.
func (t Threshold) Evaluate(w Evaluated, minRows int) Finding {
	var found []crossing
	known := false
	if slices.Contains(driftMetrics, t.Metric) {
		for _, d := range w.Drift {
			if t.Column != "" && t.Column != d.Column {
				continue
			}
			c, told := t.driftCrossing(d)
			known = known || told
			if c != nil {
				found = append(found, *c)
			}
		}
	} else {
		for _, p := range w.Profile {
			if p.SliceKey != "" || !t.appliesTo(p) {
				continue
			}
			// Few rows say little about anything but how few they are.
			if p.Rows < int64(minRows) && t.Metric != MetricCount {
				continue
			}
			v, told := p.metric(t.Metric)
			known = known || told
			if told && t.crosses(v) {
				found = append(found, crossing{p.Column, v, fmt.Sprintf("%s %s", p.Column, short(v))})
			}
		}
	}
	return t.finding(known, found)
}

// appliesTo keeps the window's own numbers and the columns' apart: an unnamed
// column means any watched one, but errors and the row count belong to the table.
func (t Threshold) appliesTo(p ProfileMetrics) bool {
	if t.Column != "" {
		return t.Column == p.Column
	}
	onTable := t.Metric == MetricErrorRate || t.Metric == MetricCount
	return onTable == (p.Column == ColumnTable)
}

func (t Threshold) driftCrossing(d DriftMetrics) (*crossing, bool) {
	if t.Metric == MetricDrifted {
		if d.Status != StatusOK && d.Status != StatusConstant {
			return nil, false
		}
		if !d.Drifted {
			return nil, true
		}
		return &crossing{d.Column, *d.Effect, fmt.Sprintf("%s (%s %s, p %s)", d.Column, d.EffectName, short(*d.Effect), short(*d.PAdjusted))}, true
	}
	v := d.Metric(t.Metric)
	if v == nil {
		return nil, false
	}
	if !t.crosses(*v) {
		return nil, true
	}
	return &crossing{d.Column, *v, fmt.Sprintf("%s %s", d.Column, short(*v))}, true
}

func (t Threshold) finding(known bool, found []crossing) Finding {
	slices.SortStableFunc(found, func(a, b crossing) int {
		below := strings.HasPrefix(t.Operator, "<")
		switch {
		case a.value == b.value:
			return strings.Compare(a.column, b.column)
		case (a.value > b.value) != below:
			return -1
		}
		return 1
	})
	out := Finding{Known: known}
	if len(found) == 0 {
		return out
	}
	var texts []string
	for _, c := range found {
		out.Columns = append(out.Columns, c.column)
		texts = append(texts, c.text)
	}
	out.Value = found[0].value
	if t.Metric == MetricDrifted {
		out.Message = "drift in " + strings.Join(texts, ", ")
	} else {
		out.Message = fmt.Sprintf("%s %s %s: %s", t.Metric, t.Operator, short(t.Value), strings.Join(texts, ", "))
	}
	return out
}

// short writes a number for people: four digits are enough to see what happened.
func short(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// metric gives a profile metric by name, false when the row has none of it.
func (p ProfileMetrics) metric(name string) (float64, bool) {
	share := func(n int64) (float64, bool) {
		if p.Rows == 0 {
			return 0, false
		}
		return float64(n) / float64(p.Rows), true
	}
	switch name {
	case MetricCount:
		return float64(p.Rows), true
	case MetricErrorRate:
		return share(p.Errors)
	case "num_nulls":
		return float64(p.Nulls), true
	case "percent_null":
		v, ok := share(p.Nulls)
		return 100 * v, ok
	case "distinct_count":
		return float64(p.Distinct), true
	}
	n := p.Numeric
	if n == nil {
		return 0, false
	}
	switch name {
	case "mean":
		return n.Mean, true
	case "stddev":
		return n.StdDev, true
	case "min":
		return n.Min, true
	case "max":
		return n.Max, true
	case "median", "p50":
		return n.Median, true
	case "p95":
		return n.P95, true
	case "p99":
		return n.P99, true
	case "num_zeros":
		return float64(n.Zeros), true
	case "percent_zeros":
		v, ok := share(n.Zeros)
		return 100 * v, ok
	}
	return 0, false
}
