package domain

import (
	"strconv"
	"strings"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Window is a half-open span of time, [Start, End), in UTC and whole microseconds.
type Window struct{ Start, End time.Time }

// NewWindow cuts both ends to microseconds, which is what rows carry.
func NewWindow(start, end time.Time) (Window, error) {
	w := Window{start.UTC().Truncate(time.Microsecond), end.UTC().Truncate(time.Microsecond)}
	if !w.Start.Before(w.End) {
		return Window{}, fault.New("monitor.NewWindow", fault.Invalid, "a window must start before it ends").WithReason("WINDOW_INVALID")
	}
	return w, nil
}

// IsZero tells the window that is not there.
func (w Window) IsZero() bool { return w.Start.IsZero() && w.End.IsZero() }

// Equal compares instants.
func (w Window) Equal(o Window) bool { return w.Start.Equal(o.Start) && w.End.Equal(o.End) }

// Covers tells whether o lies in w, ends included.
func (w Window) Covers(o Window) bool {
	return !o.Start.Before(w.Start) && !o.End.After(w.End)
}

// Granularity is the length of tumbling windows, a whole number of seconds.
type Granularity time.Duration

// DefaultGranularity is an hour.
const DefaultGranularity = Granularity(time.Hour)

const (
	day  = 24 * time.Hour
	week = 7 * day
	// longest keeps window arithmetic far from overflow; a year has at most 366 days.
	longest = 366 * day
)

var units = []struct {
	suffix string
	length time.Duration
}{{"w", week}, {"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}

// ParseGranularity reads a whole number and one of s, m, h, d, w: "5m", "1d",
// "90s". The empty text is the default.
func ParseGranularity(s string) (Granularity, error) {
	if s == "" {
		return DefaultGranularity, nil
	}
	for _, u := range units {
		digits, found := strings.CutSuffix(s, u.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 31)
		if err != nil || n > uint64(longest/u.length) {
			break
		}
		g := Granularity(time.Duration(n) * u.length)
		return g, g.Validate()
	}
	return 0, fault.New("monitor.ParseGranularity", fault.Invalid,
		"granularity must be a whole number of s, m, h, d or w up to 366 days, such as 5m, 1h or 1w").WithReason("GRANULARITY_INVALID")
}

// Validate refuses lengths that windows cannot have.
func (g Granularity) Validate() error {
	d := time.Duration(g)
	if d < time.Second || d > longest || d%time.Second != 0 {
		return fault.New("monitor.Granularity", fault.Invalid, "granularity must be whole seconds, from 1 s to 366 days").WithReason("GRANULARITY_INVALID")
	}
	return nil
}

// String is the shortest form that ParseGranularity reads back.
func (g Granularity) String() string {
	d := time.Duration(g)
	for _, u := range units {
		if d%u.length == 0 {
			return strconv.FormatInt(int64(d/u.length), 10) + u.suffix
		}
	}
	return d.String()
}

// origin is where windows are counted from: a Monday, so that weeks begin on one,
// and midnight UTC, so that days do.
var origin = time.Date(1970, 1, 5, 0, 0, 0, 0, time.UTC).UnixMicro()

// Window is the tumbling window that an instant, in microseconds since 1970, falls
// into.
func (g Granularity) Window(micros int64) Window {
	length := time.Duration(g).Microseconds()
	offset := (micros - origin) % length
	if offset < 0 {
		offset += length
	}
	start := micros - offset
	return Window{time.UnixMicro(start).UTC(), time.UnixMicro(start + length).UTC()}
}

// Before is the window that ends where w starts.
func (g Granularity) Before(w Window) Window {
	return Window{w.Start.Add(-time.Duration(g)), w.Start}
}
