package domain

// Kinds of profiled rows.
const (
	LogInput    = "INPUT"    // a window of the log
	LogBaseline = "BASELINE" // the baseline
)

// ProfileMetrics describes one column of one window, for all rows or for a slice.
type ProfileMetrics struct {
	Window     Window
	Column     string // ColumnTable for the window's own numbers
	Kind       ColumnKind
	LogType    string
	SliceKey   string // ColumnServedEntity, or empty for all rows
	SliceValue string

	Rows     int64 // nulls included
	Nulls    int64
	Distinct int64
	Numeric  *NumericProfile // nil without a value, or for other kinds
	Frequent []FrequentItem  // categorical, the most frequent first
	Errors   int64           // ColumnTable only: rows with a status ≥ 500 or none

	MonitorVersion int64
	TableVersion   int64
}

// NumericProfile describes at least one value.
type NumericProfile struct {
	Mean, StdDev, Min, Max float64 // StdDev divides by n − 1
	Median, P95, P99       float64
	Zeros                  int64
	Invalid                int64 // NaN and infinities, neither null nor in the numbers
	Exact                  bool  // false: quantiles within 2⁻⁹ of their value
}

// FrequentItem is a category and how often it came.
type FrequentItem struct {
	Item  string
	Count int64
}

// MaxFrequentItems is how many categories a profile row names.
const MaxFrequentItems = 20
