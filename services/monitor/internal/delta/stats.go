package delta

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// Stats are what a file's writer says about its rows. A bound that is absent is
// unknown, not empty.
type Stats struct {
	NumRecords int64          `json:"numRecords"`
	Min        map[string]any `json:"minValues"`
	Max        map[string]any `json:"maxValues"`
	NullCount  map[string]any `json:"nullCount"`
}

// maxBound is the length of a string bound, in bytes. It is longer than the
// customary 32 so that a UUID is kept whole and a lookup by id finds its file.
const maxBound = 64

const statTime = "2006-01-02T15:04:05.000Z"

// parseStats reads the JSON of an add; nil when there is none or it is broken,
// which costs speed and nothing else.
func parseStats(text string) *Stats {
	if text == "" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber() // int64 does not fit a float
	var s Stats
	if d.Decode(&s) != nil {
		return nil
	}
	return &s
}

// bound is a typed value of the statistics: int64, float64 or string; ok is
// false when it is unknown.
func bound(t Type, m map[string]any, name string) (any, bool) {
	switch x := m[name].(type) {
	case json.Number:
		switch t.class() {
		case classInt:
			if t.Kind == Decimal {
				return nil, false
			}
			v, err := x.Int64()
			return v, err == nil
		case classFloat:
			v, err := x.Float64()
			return v, err == nil
		}
	case string:
		switch t.Kind {
		case String:
			return x, true
		case Timestamp:
			v, err := time.Parse(time.RFC3339Nano, x)
			return v.UnixMicro(), err == nil
		case Date:
			v, err := time.Parse(time.DateOnly, x)
			return v.Unix() / 86400, err == nil
		}
	}
	return nil, false
}

// statist gathers statistics while a file is written.
type statist struct {
	schema *Schema
	want   []bool
	rows   int64
	cols   []columnStat
}

type columnStat struct {
	seen     bool
	nulls    int64
	lo, hi   int64
	flo, fhi float64
	slo, shi string
	noMax    bool // a bound exists and cannot be written
	noMin    bool
}

// defaultStatColumns is Delta's own number of columns with statistics.
const defaultStatColumns = 32

func newStatist(s *Schema, names []string) *statist {
	st := &statist{schema: s, want: make([]bool, len(s.Fields)), cols: make([]columnStat, len(s.Fields))}
	n := 0
	for i, f := range s.Fields {
		if f.Type.nested() || f.Type.Kind == Binary {
			continue
		}
		if names == nil {
			st.want[i] = n < defaultStatColumns
			n++
		} else {
			st.want[i] = contains(names, f.Name)
		}
	}
	return st
}

func (st *statist) add(b *Batch) {
	st.rows += int64(b.Rows())
	for i, v := range b.Columns {
		if st.want[i] {
			st.cols[i].add(v)
		}
	}
}

func (c *columnStat) add(v *Vector) {
	switch v.class() {
	case classInt:
		for i, x := range v.Ints {
			if v.Null(i) {
				c.nulls++
				continue
			}
			if !c.seen || x < c.lo {
				c.lo = x
			}
			if !c.seen || x > c.hi {
				c.hi = x
			}
			c.seen = true
		}
	case classFloat:
		for i, x := range v.Floats {
			switch {
			case v.Null(i):
				c.nulls++
				continue
			case math.IsNaN(x):
				// Engines order NaN above everything, JSON cannot say NaN.
				c.noMax = true
				continue
			}
			if !c.seen || x < c.flo {
				c.flo = x
			}
			if !c.seen || x > c.fhi {
				c.fhi = x
			}
			c.seen = true
		}
	case classString:
		for i, x := range v.Strings {
			if v.Null(i) {
				c.nulls++
				continue
			}
			c.addString(x)
		}
	default:
		c.nulls += int64(v.Nulls())
	}
}

func (c *columnStat) addString(x string) {
	if !utf8.ValidString(x[:min(len(x), maxBound+utf8.UTFMax)]) && !utf8.ValidString(x) {
		c.noMin, c.noMax = true, true // JSON would change it
		return
	}
	if !c.seen || x < c.slo {
		c.slo = x
	}
	if !c.seen || x > c.shi {
		c.shi = x
	}
	c.seen = true
}

// json is the statistics as an add carries them.
func (st *statist) json() (string, error) {
	out := Stats{NumRecords: st.rows, Min: map[string]any{}, Max: map[string]any{}, NullCount: map[string]any{}}
	for i, f := range st.schema.Fields {
		if !st.want[i] {
			continue
		}
		c := &st.cols[i]
		out.NullCount[f.Name] = c.nulls
		if !c.seen {
			continue
		}
		lo, hi := c.bounds(f.Type)
		if lo != nil && !c.noMin {
			out.Min[f.Name] = lo
		}
		if hi != nil && !c.noMax {
			out.Max[f.Name] = hi
		}
	}
	b, err := json.Marshal(out)
	return string(b), err
}

func (c *columnStat) bounds(t Type) (lo, hi any) {
	switch t.Kind {
	case Double, Float:
		if !math.IsInf(c.flo, 0) {
			lo = c.flo
		}
		if !math.IsInf(c.fhi, 0) {
			hi = c.fhi
		}
	case String:
		lo = cut(c.slo)
		if len(c.shi) <= maxBound { // a cut string is below the whole one: no maximum
			hi = c.shi
		}
	case Boolean:
	case Date:
		lo, hi = time.Unix(c.lo*86400, 0).UTC().Format(time.DateOnly), time.Unix(c.hi*86400, 0).UTC().Format(time.DateOnly)
	case Timestamp:
		// Delta keeps milliseconds: the minimum rounds down, the maximum up.
		lo = time.UnixMilli(floorDiv(c.lo, 1000)).UTC().Format(statTime)
		hi = time.UnixMilli(-floorDiv(-c.hi, 1000)).UTC().Format(statTime)
	case Decimal:
		lo, hi = json.Number(decimalText(c.lo, t.Scale)), json.Number(decimalText(c.hi, t.Scale))
	default:
		lo, hi = c.lo, c.hi
	}
	return lo, hi
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// cut is the longest prefix of whole runes within maxBound: a lower bound.
func cut(s string) string {
	if len(s) <= maxBound {
		return s
	}
	i := maxBound
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	return s[:i]
}

// decimalText writes an unscaled value with its point.
func decimalText(v int64, scale int) string {
	if scale == 0 {
		return strconv.FormatInt(v, 10)
	}
	neg := v < 0
	u := uint64(v)
	if neg {
		u = -u
	}
	s := strconv.FormatUint(u, 10)
	for len(s) <= scale {
		s = "0" + s
	}
	s = s[:len(s)-scale] + "." + s[len(s)-scale:]
	if neg {
		s = "-" + s
	}
	return s
}

// MaxTime is an upper bound of a timestamp column, in microseconds; ok is false
// when the file's statistics have none.
func (f *DataFile) MaxTime(column string) (us int64, ok bool) {
	st := f.Stats()
	if st == nil {
		return 0, false
	}
	v, ok := bound(Of(Timestamp), st.Max, column)
	if !ok {
		return 0, false
	}
	return v.(int64) + 999, true // to the end of the millisecond; see Prune
}
