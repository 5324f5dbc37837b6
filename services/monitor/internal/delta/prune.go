package delta

import (
	"cmp"
	"slices"
	"strings"
)

// Op compares a column with a value.
type Op string

// The comparisons that statistics can decide. A null matches none of them.
const (
	Eq Op = "="
	Lt Op = "<"
	Le Op = "<="
	Gt Op = ">"
	Ge Op = ">="
	In Op = "in"
)

// Cond is one condition on a column; several of them all hold. Value is an
// int64, float64, string or bool in the sense of the column's type; In takes
// Values instead.
//
// Conditions here choose what to read: files by partition and statistics, row
// groups by Bloom filter, pages by the page index. They are conservative. A row
// that comes back may still not match, and who needs only matching rows tests
// them.
type Cond struct {
	Column string
	Op     Op
	Value  any
	Values []any
}

// values is an interval of values; an end that is not known is open.
type values struct {
	lo, hi       any
	hasLo, hasHi bool
	empty        bool
}

// mayMatch reports whether some value of the interval can satisfy the condition.
func (c *Cond) mayMatch(r values) bool {
	if r.empty {
		return false
	}
	below := func(v any) bool { return r.hasHi && compare(r.hi, v) < 0 } // all values are below v
	above := func(v any) bool { return r.hasLo && compare(r.lo, v) > 0 }
	switch c.Op {
	case Eq:
		return !below(c.Value) && !above(c.Value)
	case In:
		return slices.ContainsFunc(c.Values, func(v any) bool { return !below(v) && !above(v) })
	case Lt:
		return !r.hasLo || compare(r.lo, c.Value) < 0
	case Le:
		return !r.hasLo || compare(r.lo, c.Value) <= 0
	case Gt:
		return !r.hasHi || compare(r.hi, c.Value) > 0
	case Ge:
		return !r.hasHi || compare(r.hi, c.Value) >= 0
	}
	return true
}

// compare orders two values of one column. Values of different Go types are
// called equal, which prunes nothing: a caller's mistake must not hide rows.
func compare(a, b any) int {
	switch x := a.(type) {
	case int64:
		switch y := b.(type) {
		case int64:
			return cmp.Compare(x, y)
		case float64:
			return cmp.Compare(float64(x), y)
		}
	case float64:
		switch y := b.(type) {
		case float64:
			return cmp.Compare(x, y)
		case int64:
			return cmp.Compare(x, float64(y))
		}
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y)
		}
	case bool:
		if y, ok := b.(bool); ok && x != y {
			if y {
				return -1
			}
			return 1
		}
	}
	return 0
}

// Prune returns the files that may hold rows that satisfy all conditions, in
// the order of their keys.
func (s *Snapshot) Prune(where []Cond) []*DataFile {
	var out []*DataFile
	for _, f := range s.files {
		if s.mayHold(f, where) {
			out = append(out, f)
		}
	}
	return out
}

func (s *Snapshot) mayHold(f *DataFile, where []Cond) bool {
	// Partition values first: they need no statistics to be parsed.
	for i := range where {
		c := &where[i]
		if !contains(s.meta.PartitionColumns, c.Column) {
			continue
		}
		v, err := partitionValue(s.schema.Fields[s.schema.Index(c.Column)].Type, f.PartitionValues[c.Column])
		if err != nil {
			continue // a value we cannot read prunes nothing
		}
		if !c.mayMatch(values{lo: v, hi: v, hasLo: v != nil, hasHi: v != nil, empty: v == nil}) {
			return false
		}
	}
	var st *Stats
	for i := range where {
		c := &where[i]
		col := s.schema.Index(c.Column)
		if col < 0 || contains(s.meta.PartitionColumns, c.Column) {
			continue
		}
		if st == nil {
			if st = f.Stats(); st == nil {
				return true
			}
		}
		var r values
		r.lo, r.hasLo = bound(s.schema.Fields[col].Type, st.Min, c.Column)
		r.hi, r.hasHi = bound(s.schema.Fields[col].Type, st.Max, c.Column)
		if x, ok := r.hi.(int64); ok && s.schema.Fields[col].Type.Kind == Timestamp {
			r.hi = x + 999 // other writers cut the maximum to its millisecond
		}
		r.empty = allNull(st, c.Column)
		if !c.mayMatch(r) {
			return false
		}
	}
	return true
}

// allNull reports whether the statistics say that a column has nulls only.
func allNull(st *Stats, column string) bool {
	n, ok := bound(Of(Long), st.NullCount, column)
	return ok && n == st.NumRecords
}
