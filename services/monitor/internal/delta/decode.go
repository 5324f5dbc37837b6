package delta

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// leaf is one Parquet column of a data file, ready to be decoded as part of a
// table column.
type leaf struct {
	index  int
	kind   parquet.Kind
	maxDef byte
	maxRep byte
	// divide and multiply bring the file's time unit to microseconds.
	divide, multiply int64
}

// leavesOf finds the Parquet columns that hold a table column: none when the
// file is older than the column.
func leavesOf(file *parquet.File, f Field) ([]leaf, error) {
	var out []leaf
	for _, path := range file.Schema().Columns() {
		if path[0] != f.Name {
			continue
		}
		lc, ok := file.Schema().Lookup(path...)
		if !ok {
			return nil, fmt.Errorf("column %v is not in its own schema", path)
		}
		l := leaf{index: lc.ColumnIndex, kind: lc.Node.Type().Kind(), maxDef: byte(lc.MaxDefinitionLevel), maxRep: byte(lc.MaxRepetitionLevel), divide: 1, multiply: 1}
		if lt := lc.Node.Type().LogicalType(); lt != nil {
			if ts, ok := lt.Value.(*format.TimestampType); ok && ts.Unit.Value != nil {
				switch ts.Unit.Value.Duration() {
				case time.Millisecond:
					l.multiply = 1000
				case time.Nanosecond:
					l.divide = 1000
				}
			}
		}
		out = append(out, l)
	}
	want := 1
	if f.Type.Kind == Map {
		want = 2
	}
	if len(out) != 0 && len(out) != want {
		return nil, &UnsupportedError{What: fmt.Sprintf("column %q in %d Parquet columns", f.Name, len(out))}
	}
	for _, l := range out {
		if err := l.fits(f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fits refuses a physical type that the column's type cannot come from, and
// shapes deeper than one list.
func (l leaf) fits(f Field) error {
	nested := byte(0)
	if f.Type.nested() {
		nested = 1
	}
	ok := l.maxRep == nested
	t := f.Type
	if t.Kind == Array {
		t = *t.Elem
	}
	if t.Kind != Map && ok {
		switch t.class() {
		case classInt:
			ok = l.kind == parquet.Int32 || l.kind == parquet.Int64
		case classFloat:
			ok = l.kind == parquet.Float || l.kind == parquet.Double
		case classBool:
			ok = l.kind == parquet.Boolean
		case classString:
			ok = l.kind == parquet.ByteArray
		}
	}
	if !ok {
		return &UnsupportedError{What: fmt.Sprintf("column %q of type %s stored as %s", f.Name, f.Type, l.kind)}
	}
	return nil
}

// cursor reads a Parquet column of one row group, front to back with jumps.
type cursor struct {
	leaf
	t     Type // of the vector to make: for a map column, array of its keys or values
	pages parquet.Pages
	page  *Vector // the current page, decoded
	pos   int     // in page
	next  int64   // row of the group that take returns next
	dict  *Vector // of this column chunk
	from  parquet.Dictionary
}

func newCursor(chunk parquet.ColumnChunk, l leaf, t Type) *cursor {
	return &cursor{leaf: l, t: t, pages: chunk.Pages()}
}

func (c *cursor) close() { _ = c.pages.Close() }

// seek makes row the next one to take.
func (c *cursor) seek(row int64) error {
	if row == c.next {
		return nil
	}
	if c.page != nil {
		if to := int64(c.pos) + row - c.next; to >= 0 && to < int64(c.page.n) {
			c.pos, c.next = int(to), row
			return nil
		}
	}
	c.page, c.pos, c.next = nil, 0, row
	return c.pages.SeekToRow(row)
}

// take appends the next n rows to out.
func (c *cursor) take(n int, out *Vector) error {
	for n > 0 {
		if c.page == nil || c.pos == c.page.n {
			if err := c.read(); err != nil {
				return err
			}
		}
		k := min(n, c.page.n-c.pos)
		if out.n == 0 && k == n && c.pos == 0 && k == c.page.n {
			*out = *c.page // the whole page and nothing else: no need to copy
			c.pos, c.next = k, c.next+int64(k)
			c.page = nil
			return nil
		}
		out.appendFrom(c.page, c.pos, c.pos+k)
		c.pos += k
		c.next += int64(k)
		n -= k
	}
	return nil
}

func (c *cursor) read() error {
	p, err := c.pages.ReadPage()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	defer parquet.Release(p)
	c.pos = 0
	if c.maxRep > 0 {
		c.page, err = c.decodeList(p)
	} else {
		c.page, err = c.decodeFlat(p)
	}
	return err
}

// decodeFlat makes a vector of the page's rows.
func (c *cursor) decodeFlat(p parquet.Page) (*Vector, error) {
	dense, err := c.dense(p, c.t)
	if err != nil {
		return nil, err
	}
	defs := p.DefinitionLevels()
	if c.maxDef == 0 || len(defs) == 0 || dense.n == len(defs) {
		return dense, nil
	}
	v := &Vector{Type: c.t, n: len(defs), Valid: make([]bool, len(defs))}
	for i, d := range defs {
		v.Valid[i] = d == c.maxDef
	}
	switch v.class() {
	case classInt:
		v.Ints, err = spread(dense.Ints, v.Valid)
	case classFloat:
		v.Floats, err = spread(dense.Floats, v.Valid)
	case classBool:
		v.Bools, err = spread(dense.Bools, v.Valid)
	default:
		v.Strings, err = spread(dense.Strings, v.Valid)
	}
	return v, err
}

// spread puts dense values at the places that are valid.
func spread[T any](dense []T, valid []bool) ([]T, error) {
	out := make([]T, len(valid))
	at := 0
	for i, ok := range valid {
		if !ok {
			continue
		}
		if at == len(dense) {
			return nil, fmt.Errorf("%d values for more valid rows", len(dense))
		}
		out[i] = dense[at]
		at++
	}
	return out, nil
}

// decodeList makes a vector of arrays. Levels are those of any of the list
// encodings in use: the outermost optional group is null at level 0, the list
// is empty one level below its elements' own.
func (c *cursor) decodeList(p parquet.Page) (*Vector, error) {
	dense, err := c.dense(p, *c.t.Elem)
	if err != nil {
		return nil, err
	}
	reps, defs := p.RepetitionLevels(), p.DefinitionLevels()
	if len(reps) > 0 && reps[0] != 0 {
		return nil, &UnsupportedError{What: "a row that spans two pages"}
	}
	// With an optional element: null, empty, null element, element = 0, 1, 2, 3.
	// With a required one (a map's key): null, empty, element = 0, 1, 2. Where
	// the list itself is required, everything is one lower.
	elementDef := c.maxDef
	nullElem := c.optionalElem()
	present := elementDef
	if nullElem {
		present--
	}
	v := NewVector(c.t, int(p.NumRows()))
	at := 0
	for i, d := range defs {
		if reps[i] == 0 && i > 0 {
			v.endRow(!isNullList(defs, i, reps, present))
		}
		switch {
		case d == elementDef:
			v.Elems.appendFrom(dense, at, at+1)
			at++
		case nullElem && d == present:
			v.Elems.AppendNull()
		}
	}
	if len(defs) > 0 {
		v.endRow(!isNullList(defs, len(defs), reps, present))
	}
	return v, nil
}

// optionalElem tells the two shapes apart by the depth: list columns written
// with optional elements have three levels, keys of maps two.
func (c *cursor) optionalElem() bool { return c.maxDef >= 3 }

// isNullList looks at the row that ends before entry i: a null list is a single
// entry of level 0, where lists can be null at all.
func isNullList(defs []byte, i int, reps []byte, present byte) bool {
	return reps[i-1] == 0 && defs[i-1] == 0 && present >= 2
}

// dense is the page's values without its nulls.
func (c *cursor) dense(p parquet.Page, t Type) (*Vector, error) {
	if d := p.Dictionary(); d != nil {
		if c.from != d {
			v, err := c.plain(d.Page(), t)
			if err != nil {
				return nil, err
			}
			c.from, c.dict = d, v
		}
		data := p.Data()
		return c.dict.gather(data.Int32())
	}
	return c.plain(p, t)
}

// plain copies a page's values out of the library's buffers.
func (c *cursor) plain(p parquet.Page, t Type) (*Vector, error) {
	v := &Vector{Type: t}
	data := p.Data()
	switch c.kind {
	case parquet.Int32:
		src := data.Int32()
		v.Ints = make([]int64, len(src))
		for i, x := range src {
			v.Ints[i] = int64(x)
		}
		v.n = len(src)
	case parquet.Int64:
		src := data.Int64()
		v.Ints = make([]int64, len(src))
		copy(v.Ints, src)
		v.n = len(src)
		if c.multiply != 1 || c.divide != 1 {
			for i := range v.Ints {
				v.Ints[i] = floorDiv(v.Ints[i]*c.multiply, c.divide)
			}
		}
	case parquet.Float:
		src := data.Float()
		v.Floats = make([]float64, len(src))
		for i, x := range src {
			v.Floats[i] = float64(x)
		}
		v.n = len(src)
	case parquet.Double:
		v.Floats = append(v.Floats, data.Double()...)
		v.n = len(v.Floats)
	case parquet.ByteArray:
		bytes, offsets := data.ByteArray()
		if len(offsets) > 0 {
			v.n = len(offsets) - 1
			v.Strings = make([]string, v.n)
			// One copy of the page; the values are slices of it.
			base := offsets[0]
			all := string(bytes[base:offsets[v.n]])
			for i := range v.n {
				v.Strings[i] = all[offsets[i]-base : offsets[i+1]-base]
			}
		}
	case parquet.Boolean:
		return v, c.booleans(p, v)
	default:
		return nil, &UnsupportedError{What: "Parquet type " + c.kind.String()}
	}
	return v, nil
}

// booleans go through the value reader: a slice of a page of bits starts inside
// a byte, and only the reader knows where.
func (c *cursor) booleans(p parquet.Page, v *Vector) error {
	r := p.Values()
	var buf [256]parquet.Value
	for {
		n, err := r.ReadValues(buf[:])
		for _, x := range buf[:n] {
			if !x.IsNull() {
				v.Bools = append(v.Bools, x.Boolean())
				v.n++
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// gather makes a vector of the values at the given places of a dictionary.
func (v *Vector) gather(idx []int32) (*Vector, error) {
	out := &Vector{Type: v.Type, n: len(idx)}
	for _, i := range idx {
		if i < 0 || int(i) >= v.n {
			return nil, fmt.Errorf("index %d in a dictionary of %d", i, v.n)
		}
	}
	switch v.class() {
	case classInt:
		out.Ints = make([]int64, len(idx))
		for k, i := range idx {
			out.Ints[k] = v.Ints[i]
		}
	case classFloat:
		out.Floats = make([]float64, len(idx))
		for k, i := range idx {
			out.Floats[k] = v.Floats[i]
		}
	case classBool:
		out.Bools = make([]bool, len(idx))
		for k, i := range idx {
			out.Bools[k] = v.Bools[i]
		}
	case classString:
		out.Strings = make([]string, len(idx))
		for k, i := range idx {
			out.Strings[k] = v.Strings[i]
		}
	}
	return out, nil
}
