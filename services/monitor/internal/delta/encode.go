package delta

import (
	"fmt"
	"io"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// A row group ends at whichever comes first: few enough rows that a reader can
// skip a useful part of a large file, few enough bytes that writer and reader
// can hold one.
const (
	groupRows  = 64 << 10
	groupBytes = 64 << 20
	pageBytes  = 128 << 10
)

// orderedGroup keeps the columns of a file in the order of the schema; the
// library's own group sorts them by name. Small columns then lie beside each
// other and the payloads behind them, one read instead of ten.
type orderedGroup struct {
	parquet.Group
	fields []parquet.Field
}

func (g *orderedGroup) Fields() []parquet.Field { return g.fields }

// parquetSchema is the schema of a data file. Every column is optional in the
// file, whatever the table says, so that adding and relaxing columns is free.
func parquetSchema(s *Schema, dictionary []string) (*parquet.Schema, error) {
	group := parquet.Group{}
	for _, f := range s.Fields {
		n, err := parquetNode(f.Type, contains(dictionary, f.Name))
		if err != nil {
			return nil, fmt.Errorf("delta: column %q: %w", f.Name, err)
		}
		group[f.Name] = n
	}
	sorted := map[string]parquet.Field{}
	for _, f := range group.Fields() {
		sorted[f.Name()] = f
	}
	o := &orderedGroup{Group: group}
	for _, f := range s.Fields {
		o.fields = append(o.fields, sorted[f.Name])
	}
	return parquet.NewSchema("spark_schema", o), nil
}

func parquetNode(t Type, dictionary bool) (parquet.Node, error) {
	switch t.Kind {
	case Array:
		elem, err := parquetNode(*t.Elem, dictionary)
		return parquet.Optional(parquet.List(elem)), err
	case Map:
		key, err := parquetLeaf(*t.Key)
		if err != nil {
			return nil, err
		}
		elem, err := parquetNode(*t.Elem, false)
		return parquet.Optional(parquet.Map(key, elem)), err
	}
	n, err := parquetLeaf(t)
	if err != nil {
		return nil, err
	}
	if dictionary {
		n = parquet.Encoded(n, &parquet.RLEDictionary)
	}
	return parquet.Optional(n), nil
}

func parquetLeaf(t Type) (parquet.Node, error) {
	switch t.Kind {
	case String:
		return parquet.String(), nil
	case Binary:
		return parquet.Leaf(parquet.ByteArrayType), nil
	case Long:
		return parquet.Leaf(parquet.Int64Type), nil
	case Integer:
		return parquet.Leaf(parquet.Int32Type), nil
	case Short:
		return parquet.Int(16), nil
	case Byte:
		return parquet.Int(8), nil
	case Double:
		return parquet.Leaf(parquet.DoubleType), nil
	case Float:
		return parquet.Leaf(parquet.FloatType), nil
	case Boolean:
		return parquet.Leaf(parquet.BooleanType), nil
	case Date:
		return parquet.Date(), nil
	case Timestamp:
		return parquet.Timestamp(parquet.Microsecond), nil
	case Decimal:
		if t.Precision <= 9 {
			return parquet.Decimal(t.Scale, t.Precision, parquet.Int32Type), nil
		}
		return parquet.Decimal(t.Scale, t.Precision, parquet.Int64Type), nil
	default:
		return nil, &UnsupportedError{What: "type " + t.String()}
	}
}

// encoder writes batches into one Parquet file.
type encoder struct {
	w       *parquet.GenericWriter[any]
	columns []*parquet.ColumnWriter
	schema  *Schema
	rows    int64
	inGroup int
	bytes   int
	buf     []parquet.Value
}

func newEncoder(out io.Writer, s *Schema, o *Options) (*encoder, error) {
	ps, err := parquetSchema(s, o.Dictionary)
	if err != nil {
		return nil, err
	}
	opts := []parquet.WriterOption{
		ps, parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest, Concurrency: 1}),
		parquet.PageBufferSize(pageBytes), parquet.CreatedBy("slipway-delta", "1", ""),
		parquet.DictionaryMaxBytes(1 << 20),
	}
	var blooms []parquet.BloomFilterColumn
	for _, name := range o.Bloom {
		if s.Index(name) >= 0 {
			blooms = append(blooms, parquet.SplitBlockFilter(10, name))
		}
	}
	if len(blooms) > 0 {
		opts = append(opts, parquet.BloomFilters(blooms...))
	}
	// Bounds of long texts in the page index help nobody and may be long.
	for _, f := range s.Fields {
		if f.Type.Kind == Binary || f.Type.nested() {
			for _, path := range leafPaths(f) {
				opts = append(opts, parquet.SkipPageBounds(path...))
			}
		}
	}
	w := parquet.NewGenericWriter[any](out, opts...)
	return &encoder{w: w, columns: w.ColumnWriters(), schema: s, buf: make([]parquet.Value, 0, 1024)}, nil
}

// leafPaths are the Parquet columns of a field.
func leafPaths(f Field) [][]string {
	switch f.Type.Kind {
	case Array:
		return [][]string{{f.Name, "list", "element"}}
	case Map:
		return [][]string{{f.Name, "key_value", "key"}, {f.Name, "key_value", "value"}}
	default:
		return [][]string{{f.Name}}
	}
}

func (e *encoder) write(b *Batch) error {
	col := 0
	for _, v := range b.Columns {
		n, err := e.column(col, v)
		if err != nil {
			return err
		}
		col += n
	}
	e.rows += int64(b.Rows())
	e.inGroup += b.Rows()
	if e.inGroup >= groupRows || e.bytes >= groupBytes {
		e.inGroup, e.bytes = 0, 0
		return e.w.Flush()
	}
	return nil
}

func (e *encoder) close() error { return e.w.Close() }

// column writes a vector and returns how many Parquet columns it took.
func (e *encoder) column(col int, v *Vector) (int, error) {
	switch v.Type.Kind {
	case Array:
		return 1, e.repeated(col, v, v.Elems, true)
	case Map:
		if err := e.repeated(col, v, v.Keys, false); err != nil {
			return 0, err
		}
		return 2, e.repeated(col+1, v, v.Elems, true)
	default:
		return 1, e.flat(col, v)
	}
}

func (e *encoder) flat(col int, v *Vector) error {
	e.buf = e.buf[:0]
	for i := range v.n {
		if v.Null(i) {
			e.buf = append(e.buf, parquet.Value{}.Level(0, 0, col))
		} else {
			e.buf = append(e.buf, e.value(v, i).Level(0, 1, col))
		}
		if len(e.buf) == cap(e.buf) {
			if err := e.flush(col); err != nil {
				return err
			}
		}
	}
	return e.flush(col)
}

// repeated writes the leaf of an array or map. Definition levels are those of
// "optional group, repeated group, optional leaf": 0 null, 1 empty, 2 an
// element that is null (or a key, which is required), 3 an element.
func (e *encoder) repeated(col int, v, leaf *Vector, optional bool) error {
	full := 2
	if optional {
		full = 3
	}
	e.buf = e.buf[:0]
	for i := range v.n {
		from, to := v.Row(i)
		switch {
		case v.Null(i):
			e.buf = append(e.buf, parquet.Value{}.Level(0, 0, col))
		case from == to:
			e.buf = append(e.buf, parquet.Value{}.Level(0, 1, col))
		}
		for j := from; j < to; j++ {
			rep := 1
			if j == from {
				rep = 0
			}
			if leaf.Null(j) {
				e.buf = append(e.buf, parquet.Value{}.Level(rep, 2, col))
			} else {
				e.buf = append(e.buf, e.value(leaf, j).Level(rep, full, col))
			}
		}
		// A page may not end inside a row, so only whole rows are handed over.
		if len(e.buf) >= cap(e.buf)-64 {
			if err := e.flush(col); err != nil {
				return err
			}
		}
	}
	return e.flush(col)
}

func (e *encoder) flush(col int) error {
	if len(e.buf) == 0 {
		return nil
	}
	_, err := e.columns[col].WriteRowValues(e.buf)
	e.buf = e.buf[:0]
	return err
}

func (e *encoder) value(v *Vector, i int) parquet.Value {
	switch v.class() {
	case classFloat:
		e.bytes += 8
		if v.Type.Kind == Float {
			return parquet.FloatValue(float32(v.Floats[i]))
		}
		return parquet.DoubleValue(v.Floats[i])
	case classBool:
		e.bytes++
		return parquet.BooleanValue(v.Bools[i])
	case classString:
		s := v.Strings[i]
		e.bytes += len(s) + 4
		// The writer copies at once; the string is not written to.
		return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(s), len(s)))
	default:
		e.bytes += 8
		switch v.Type.Kind {
		case Integer, Short, Byte, Date:
			return parquet.Int32Value(int32(v.Ints[i]))
		case Decimal:
			if v.Type.Precision <= 9 {
				return parquet.Int32Value(int32(v.Ints[i]))
			}
		}
		return parquet.Int64Value(v.Ints[i])
	}
}
