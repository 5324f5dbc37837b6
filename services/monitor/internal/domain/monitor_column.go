package domain

import "slices"

// ColumnKind tells how a column is profiled and compared.
type ColumnKind string

// The kinds of columns.
const (
	Numeric     ColumnKind = "numeric"
	Categorical ColumnKind = "categorical"
)

// MonitorColumn is a column of the inference table that a monitor can watch.
type MonitorColumn struct {
	Name     string
	Kind     ColumnKind
	Standard bool // watched when the monitor's creator names none
	// ZeroIsNull says that 0 (or the empty text) means "there was none": a call
	// without a stream has no time to its first token.
	ZeroIsNull bool
}

// Names of columns that code, and not only configuration, speaks of.
const (
	ColumnStatusCode   = "status_code"
	ColumnServedEntity = "served_entity"
	// ColumnTable is the pseudo-column of a window's own numbers: its rows and errors.
	ColumnTable = ":table"
)

// MonitorColumns lists what can be watched. Durations are milliseconds, sizes are
// characters (Unicode code points) or bytes.
func MonitorColumns() []MonitorColumn {
	return []MonitorColumn{
		{Name: "execution_duration_ms", Kind: Numeric, Standard: true},
		{Name: "ttft_ms", Kind: Numeric, Standard: true, ZeroIsNull: true},
		{Name: "queue_ms", Kind: Numeric},
		{Name: "input_tokens", Kind: Numeric, Standard: true},
		{Name: "output_tokens", Kind: Numeric, Standard: true},
		{Name: "prompt_chars", Kind: Numeric, Standard: true},
		{Name: "response_chars", Kind: Numeric, Standard: true},
		{Name: "request_bytes", Kind: Numeric},
		{Name: "response_bytes", Kind: Numeric},
		{Name: ColumnStatusCode, Kind: Categorical, Standard: true, ZeroIsNull: true},
		{Name: "lang", Kind: Categorical, Standard: true, ZeroIsNull: true},
		{Name: "finish_reason", Kind: Categorical, Standard: true, ZeroIsNull: true},
		{Name: ColumnServedEntity, Kind: Categorical, Standard: true, ZeroIsNull: true},
		{Name: "stream", Kind: Categorical, Standard: true},
		{Name: "model_version", Kind: Categorical, ZeroIsNull: true},
		{Name: "prompt_version", Kind: Categorical, ZeroIsNull: true},
		{Name: "requester", Kind: Categorical, ZeroIsNull: true},
		{Name: "task", Kind: Categorical, ZeroIsNull: true},
		{Name: "error_reason", Kind: Categorical, ZeroIsNull: true},
	}
}

// StandardColumns names the columns watched by default.
func StandardColumns() []string {
	var out []string
	for _, c := range MonitorColumns() {
		if c.Standard {
			out = append(out, c.Name)
		}
	}
	return out
}

// ColumnKindOf is the kind of a column, false when there is none of that name.
func ColumnKindOf(name string) (ColumnKind, bool) {
	all := MonitorColumns()
	i := slices.IndexFunc(all, func(c MonitorColumn) bool { return c.Name == name })
	if i < 0 {
		return "", false
	}
	return all[i].Kind, true
}

func columnNames() []string {
	var out []string
	for _, c := range MonitorColumns() {
		out = append(out, c.Name)
	}
	return out
}
