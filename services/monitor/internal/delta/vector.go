package delta

import "fmt"

// Vector is one column of a batch. Exactly one of the value slices is in use,
// chosen by the type; all are as long as the vector, and a null leaves the zero
// value in its place.
type Vector struct {
	Type Type
	// Valid is nil when no value is null.
	Valid []bool

	Ints    []int64   // long, integer, short, byte, date, timestamp, decimal
	Floats  []float64 // double, float
	Bools   []bool    // boolean
	Strings []string  // string, binary

	// Of arrays and maps row i holds the elements Offsets[i] to Offsets[i+1] of
	// Elems, and of Keys in a map.
	Offsets     []int32
	Keys, Elems *Vector

	n int
}

// NewVector is an empty vector with room for n values.
func NewVector(t Type, n int) *Vector {
	v := &Vector{Type: t}
	switch v.class() {
	case classInt:
		v.Ints = make([]int64, 0, n)
	case classFloat:
		v.Floats = make([]float64, 0, n)
	case classBool:
		v.Bools = make([]bool, 0, n)
	case classString:
		v.Strings = make([]string, 0, n)
	case classNested:
		v.Offsets = make([]int32, 1, n+1)
		v.Elems = NewVector(*t.Elem, n)
		if t.Kind == Map {
			v.Keys = NewVector(*t.Key, n)
		}
	}
	return v
}

type class int

const (
	classInt class = iota
	classFloat
	classBool
	classString
	classNested
)

func (t Type) class() class {
	switch t.Kind {
	case Double, Float:
		return classFloat
	case Boolean:
		return classBool
	case String, Binary:
		return classString
	case Array, Map:
		return classNested
	default:
		return classInt
	}
}

func (v *Vector) class() class { return v.Type.class() }

// Len is the number of values, nulls included.
func (v *Vector) Len() int { return v.n }

// Null reports whether value i is null.
func (v *Vector) Null(i int) bool { return v.Valid != nil && !v.Valid[i] }

// Nulls counts the nulls.
func (v *Vector) Nulls() int {
	n := 0
	for _, ok := range v.Valid {
		if !ok {
			n++
		}
	}
	return n
}

// valid notes that one more value stands in the vector.
func (v *Vector) valid(ok bool) {
	if v.Valid == nil && !ok {
		v.Valid = make([]bool, v.n, v.n+8)
		for i := range v.Valid {
			v.Valid[i] = true
		}
	}
	if v.Valid != nil {
		v.Valid = append(v.Valid, ok)
	}
	v.n++
}

// AppendNull adds a null.
func (v *Vector) AppendNull() {
	switch v.class() {
	case classInt:
		v.Ints = append(v.Ints, 0)
	case classFloat:
		v.Floats = append(v.Floats, 0)
	case classBool:
		v.Bools = append(v.Bools, false)
	case classString:
		v.Strings = append(v.Strings, "")
	case classNested:
		v.Offsets = append(v.Offsets, v.Offsets[len(v.Offsets)-1])
	}
	v.valid(false)
}

// AppendInt adds a value to a vector of whole numbers, dates or times.
func (v *Vector) AppendInt(x int64) { v.Ints = append(v.Ints, x); v.valid(true) }

// AppendFloat adds a value to a vector of floating-point numbers.
func (v *Vector) AppendFloat(x float64) { v.Floats = append(v.Floats, x); v.valid(true) }

// AppendBool adds a value to a vector of booleans.
func (v *Vector) AppendBool(x bool) { v.Bools = append(v.Bools, x); v.valid(true) }

// AppendString adds a value to a vector of strings or bytes.
func (v *Vector) AppendString(x string) { v.Strings = append(v.Strings, x); v.valid(true) }

// AppendStrings adds a list to a vector of array<string>.
func (v *Vector) AppendStrings(xs []string) {
	for _, x := range xs {
		v.Elems.AppendString(x)
	}
	v.endRow(true)
}

// AppendPair adds an entry to the map that EndRow will close.
func (v *Vector) AppendPair(key, value string) {
	v.Keys.AppendString(key)
	v.Elems.AppendString(value)
}

// EndRow closes a list or map that was filled element by element.
func (v *Vector) EndRow() { v.endRow(true) }

func (v *Vector) endRow(ok bool) {
	v.Offsets = append(v.Offsets, int32(v.Elems.n))
	v.valid(ok)
}

// Row is the range of elements of row i of an array or map.
func (v *Vector) Row(i int) (from, to int) { return int(v.Offsets[i]), int(v.Offsets[i+1]) }

// StringsAt is row i of an array<string>; nulls in it are empty strings.
func (v *Vector) StringsAt(i int) []string {
	from, to := v.Row(i)
	return v.Elems.Strings[from:to:to]
}

// appendFrom adds the values [from,to) of another vector of the same type.
func (v *Vector) appendFrom(o *Vector, from, to int) {
	switch v.class() {
	case classInt:
		v.Ints = append(v.Ints, o.Ints[from:to]...)
	case classFloat:
		v.Floats = append(v.Floats, o.Floats[from:to]...)
	case classBool:
		v.Bools = append(v.Bools, o.Bools[from:to]...)
	case classString:
		v.Strings = append(v.Strings, o.Strings[from:to]...)
	case classNested:
		start, end := o.Offsets[from], o.Offsets[to]
		shift := int32(v.Elems.n) - start
		for _, off := range o.Offsets[from+1 : to+1] {
			v.Offsets = append(v.Offsets, off+shift)
		}
		v.Elems.appendFrom(o.Elems, int(start), int(end))
		if v.Keys != nil {
			v.Keys.appendFrom(o.Keys, int(start), int(end))
		}
	}
	if o.Valid != nil && v.Valid == nil {
		v.Valid = make([]bool, v.n, v.n+to-from)
		for i := range v.Valid {
			v.Valid[i] = true
		}
	}
	if v.Valid != nil {
		if o.Valid != nil {
			v.Valid = append(v.Valid, o.Valid[from:to]...)
		} else {
			for range to - from {
				v.Valid = append(v.Valid, true)
			}
		}
	}
	v.n += to - from
}

// fill adds n copies of a partition value.
func (v *Vector) fill(value any, n int) error {
	for range n {
		switch x := value.(type) {
		case nil:
			v.AppendNull()
		case int64:
			v.AppendInt(x)
		case float64:
			v.AppendFloat(x)
		case bool:
			v.AppendBool(x)
		case string:
			v.AppendString(x)
		default:
			return fmt.Errorf("delta: cannot fill a column with %T", value)
		}
	}
	return nil
}

// Batch is some rows, column by column in the order of the schema.
type Batch struct {
	Schema  *Schema
	Columns []*Vector
}

// NewBatch is an empty batch with room for n rows.
func NewBatch(s *Schema, n int) *Batch {
	b := &Batch{Schema: s, Columns: make([]*Vector, len(s.Fields))}
	for i, f := range s.Fields {
		b.Columns[i] = NewVector(f.Type, n)
	}
	return b
}

// Rows is the number of rows.
func (b *Batch) Rows() int {
	if len(b.Columns) == 0 {
		return 0
	}
	return b.Columns[0].n
}

// Column is the column called name; it panics when there is none, for a name in
// the code and a schema in the code belong together.
func (b *Batch) Column(name string) *Vector {
	i := b.Schema.Index(name)
	if i < 0 {
		panic("delta: no column " + name)
	}
	return b.Columns[i]
}

// check reports columns of unequal length, which a file could not hold.
func (b *Batch) check() error {
	for i, c := range b.Columns {
		if c.n != b.Rows() {
			return fmt.Errorf("delta: column %q has %d rows, %q has %d", b.Schema.Fields[i].Name, c.n, b.Schema.Fields[0].Name, b.Rows())
		}
	}
	return nil
}
