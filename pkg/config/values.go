package config

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"
)

// Redacted is what a Secret shows instead of itself.
const Redacted = "[redacted]"

// Secret is a setting or a credential that must not be seen. However it is printed, logged or encoded it shows Redacted,
// or nothing when it is empty; only Reveal gives the text. Keep it in exported fields: fmt prints unexported fields of
// other packages' structs without asking their methods.
type Secret string

// Reveal is the secret itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String is Redacted.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Redacted
}

// GoString is what %#v prints.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// Format keeps every verb from reaching the text: %x of a string would print its bytes.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue is what slog records.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is what encoding/json and others write.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON is what encoding/json writes.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(strconv.Quote(s.String())), nil }

// MarshalYAML is what a YAML encoder writes.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// Duration is a time span written with its unit: "250ms", "5s", "1h30m". A number without a unit is refused, because
// nobody remembers whose unit it would be.
type Duration time.Duration

// Std is d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes d as time.Duration does.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "5s".
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 250ms, 5s or 1h30m", b)
	}
	*d = Duration(v)
	return nil
}

// Bytes is a size: a number of bytes, or one with a unit, "64KB" (1000) or "16MiB" (1024).
type Bytes int64

var units = []struct {
	suffix string
	factor int64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
}

// Int64 is the size in bytes.
func (b Bytes) Int64() int64 { return int64(b) }

// String writes b in the largest binary unit that loses nothing.
func (b Bytes) String() string {
	for _, u := range []int{3, 2, 1, 0} {
		if f := units[u].factor; b != 0 && int64(b)%f == 0 {
			return strconv.FormatInt(int64(b)/f, 10) + units[u].suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText writes what UnmarshalText reads.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads "16MiB", "64KB", "1.5GiB" or "4096".
func (b *Bytes) UnmarshalText(text []byte) error {
	s, factor := strings.TrimSpace(string(text)), int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			s, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 && n <= math.MaxInt64/factor {
		*b = Bytes(n * factor)
		return nil
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n >= 0) || n*float64(factor) >= math.MaxInt64 || factor == 1 {
		return fmt.Errorf("%q is not a size such as 4096, 64KB or 16MiB", text)
	}
	*b = Bytes(n * float64(factor))
	return nil
}
