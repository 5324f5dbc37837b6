package domain

import "time"

// Refresh is what one refresh computed, to be stored as a whole or not at all.
type Refresh struct {
	Monitor    string
	Version    int64     // of the monitor that was computed for
	CreateTime time.Time // that monitor's, so that a namesake created later is not mistaken for it
	Now        time.Time

	Windows []Window // whose input metrics are replaced by the rows below
	Profile []ProfileMetrics
	Drift   []DriftMetrics

	// Tumbling says that this was not a window given by hand: the two marks below
	// move the monitor on.
	Tumbling      bool
	TableVersion  int64
	EvaluatedFrom time.Time
}

// MetricsQuery asks for computed rows of one monitor, newest window first.
type MetricsQuery struct {
	Monitor string
	Span    Window // of window starts; zero: all
	Column  string // empty: all
	After   MetricsKey
	Limit   int
}

// MetricsKey is the place of a row in that order; the zero key is before the first.
type MetricsKey struct {
	Start, End int64  // of the window, microseconds
	Type       string // log type or drift type
	SliceKey   string
	SliceValue string
	Column     string
}

// KeyOfProfile is the place of a profile row.
func KeyOfProfile(p ProfileMetrics) MetricsKey {
	return MetricsKey{p.Window.Start.UnixMicro(), p.Window.End.UnixMicro(), p.LogType, p.SliceKey, p.SliceValue, p.Column}
}

// KeyOfDrift is the place of a drift row.
func KeyOfDrift(d DriftMetrics) MetricsKey {
	return MetricsKey{Start: d.Window.Start.UnixMicro(), End: d.Window.End.UnixMicro(), Type: d.Type, Column: d.Column}
}

// TimeKey is the place of a row in a list that shows the newest first; the zero key
// is before the first.
type TimeKey struct {
	Micros int64
	ID     string
}
