package delta

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// Query chooses rows to read.
type Query struct {
	// Columns to read, partition columns included if named; nil reads all.
	Columns []string
	// Where prunes; see Cond.
	Where []Cond
	// BatchRows bounds the rows of a piece; 0 means 8192.
	BatchRows int
	// Files takes the place of the files that Where would choose, in its order.
	// Row groups and pages are still pruned.
	Files []*DataFile
	// Seen, when set, counts what the scan touched.
	Seen *Seen
}

// Seen is what a scan touched.
type Seen struct {
	Files, Groups int
	Rows          int64
}

// Piece is consecutive rows of one file.
type Piece struct {
	*Batch
	File *DataFile
	// Row is the place in the file of the first row.
	Row int64
}

const defaultBatchRows = 8192

// Scan yields the rows that may match, file by file. Stop the loop to stop the
// scan. Each piece is the caller's to keep.
func (t *Table) Scan(ctx context.Context, s *Snapshot, q Query) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		schema, err := s.project(q.Columns)
		if err != nil {
			yield(Piece{}, err)
			return
		}
		files := q.Files
		if files == nil {
			files = s.Prune(q.Where)
		}
		if q.BatchRows <= 0 {
			q.BatchRows = defaultBatchRows
		}
		for _, f := range files {
			if err := ctx.Err(); err != nil {
				yield(Piece{}, err)
				return
			}
			for p, err := range t.scanFile(ctx, s, f, schema, &q, nil) {
				if err != nil {
					yield(Piece{}, err)
					return
				}
				if !yield(p, nil) {
					return
				}
			}
		}
	}
}

// ReadRows reads single rows of a file by their places, which ascend. It is the
// second half of a search: find rows by small columns, then fetch their
// payloads and nobody else's.
func (t *Table) ReadRows(ctx context.Context, s *Snapshot, f *DataFile, columns []string, rows []int64) (*Batch, error) {
	schema, err := s.project(columns)
	if err != nil {
		return nil, err
	}
	out := NewBatch(schema, len(rows))
	q := Query{BatchRows: defaultBatchRows}
	for p, err := range t.scanFile(ctx, s, f, schema, &q, rows) {
		if err != nil {
			return nil, err
		}
		for i, c := range p.Columns {
			out.Columns[i].appendFrom(c, 0, c.n)
		}
	}
	if out.Rows() != len(rows) {
		return nil, fmt.Errorf("delta: %s: asked for %d rows, found %d", f.Key, len(rows), out.Rows())
	}
	return out, nil
}

func (s *Snapshot) project(columns []string) (*Schema, error) {
	if columns == nil {
		return s.schema, nil
	}
	return s.schema.Project(columns...)
}

// rowRange is rows [from,to) of a row group.
type rowRange struct{ from, to int64 }

// scanFile reads one file; with rows it reads exactly those.
func (t *Table) scanFile(ctx context.Context, s *Snapshot, f *DataFile, schema *Schema, q *Query, rows []int64) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		r, err := t.openFile(ctx, s, f, schema)
		if err != nil {
			yield(Piece{}, err)
			return
		}
		defer r.close()
		if q.Seen != nil {
			q.Seen.Files++
		}
		base := int64(0)
		for _, g := range r.parquet.RowGroups() {
			n := g.NumRows()
			var ranges []rowRange
			if rows != nil {
				ranges = pick(rows, base, n)
			} else if ranges, err = s.pruneGroup(g, q.Where, r.parquet); err != nil {
				yield(Piece{}, &CorruptError{Key: f.Key, Cause: err})
				return
			}
			if len(ranges) > 0 {
				if q.Seen != nil {
					q.Seen.Groups++
				}
				if !r.group(ctx, g, ranges, base, q, yield) {
					return
				}
			}
			base += n
		}
	}
}

// pick turns places in the file into ranges of a row group at base.
func pick(rows []int64, base, n int64) []rowRange {
	var out []rowRange
	i, _ := slices.BinarySearch(rows, base)
	for ; i < len(rows) && rows[i] < base+n; i++ {
		at := rows[i] - base
		if k := len(out) - 1; k >= 0 && out[k].to == at {
			out[k].to++
		} else {
			out = append(out, rowRange{at, at + 1})
		}
	}
	return out
}

// fileReader is an open data file and the plan to make table rows of it.
type fileReader struct {
	file    *DataFile
	in      Reader
	parquet *parquet.File
	schema  *Schema
	columns []columnPlan
}

// columnPlan says where a column comes from: Parquet columns, or a value that
// all rows share because it is a partition value or younger than the file.
type columnPlan struct {
	leaves []leaf
	shared any
}

func (t *Table) openFile(ctx context.Context, s *Snapshot, f *DataFile, schema *Schema) (_ *fileReader, err error) {
	in, err := t.store.Open(ctx, f.Key, f.Size)
	if err != nil {
		return nil, fmt.Errorf("delta: open %s: %w", f.Key, err)
	}
	defer func() {
		if p := recover(); p != nil { // the Parquet library, on damaged footers
			err = &CorruptError{Key: f.Key, Cause: fmt.Errorf("damaged: %v", p)}
		}
		if err != nil {
			_ = in.Close()
		}
	}()
	pf, err := parquet.OpenFile(in, f.Size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, &CorruptError{Key: f.Key, Cause: err}
	}
	r := &fileReader{file: f, in: in, parquet: pf, schema: schema}
	for _, field := range schema.Fields {
		var p columnPlan
		if contains(s.meta.PartitionColumns, field.Name) {
			if p.shared, err = partitionValue(field.Type, f.PartitionValues[field.Name]); err != nil {
				return nil, &CorruptError{Key: f.Key, Cause: err}
			}
		} else if p.leaves, err = leavesOf(pf, field); err != nil {
			return nil, fmt.Errorf("delta: %s: %w", f.Key, err)
		}
		r.columns = append(r.columns, p)
	}
	return r, nil
}

func (r *fileReader) close() { _ = r.in.Close() }

// group reads ranges of a row group; it reports whether to go on.
func (r *fileReader) group(ctx context.Context, g parquet.RowGroup, ranges []rowRange, base int64, q *Query, yield func(Piece, error) bool) bool {
	cursors := make([][]*cursor, len(r.columns))
	defer func() {
		for _, cs := range cursors {
			for _, c := range cs {
				c.close()
			}
		}
	}()
	chunks := g.ColumnChunks()
	for i, p := range r.columns {
		t := r.schema.Fields[i].Type
		for k, l := range p.leaves {
			ct := t
			if t.Kind == Map {
				ct = Type{Kind: Array, Elem: t.Key}
				if k == 1 {
					ct.Elem = t.Elem
				}
			}
			cursors[i] = append(cursors[i], newCursor(chunks[l.index], l, ct))
		}
	}
	for _, rg := range ranges {
		for at := rg.from; at < rg.to; {
			if err := ctx.Err(); err != nil {
				yield(Piece{}, err)
				return false
			}
			n := int(min(int64(q.BatchRows), rg.to-at))
			b, err := r.batch(cursors, at, n)
			if err != nil {
				yield(Piece{}, &CorruptError{Key: r.file.Key, Cause: err})
				return false
			}
			if q.Seen != nil {
				q.Seen.Rows += int64(n)
			}
			if !yield(Piece{Batch: b, File: r.file, Row: base + at}, nil) {
				return false
			}
			at += int64(n)
		}
	}
	return true
}

func (r *fileReader) batch(cursors [][]*cursor, at int64, n int) (b *Batch, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged: %v", p)
		}
	}()
	b = &Batch{Schema: r.schema, Columns: make([]*Vector, len(r.columns))}
	for i, p := range r.columns {
		t := r.schema.Fields[i].Type
		out := NewVector(t, n)
		b.Columns[i] = out
		for _, c := range cursors[i] {
			if err := c.seek(at); err != nil {
				return nil, err
			}
		}
		switch {
		case len(p.leaves) == 0:
			err = out.fill(p.shared, n)
		case t.Kind == Map:
			err = takeMap(cursors[i], n, out)
		default:
			err = cursors[i][0].take(n, out)
		}
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", r.schema.Fields[i].Name, err)
		}
	}
	return b, nil
}

// takeMap zips keys and values, whose pages end at different rows.
func takeMap(cs []*cursor, n int, out *Vector) error {
	keys, elems := NewVector(cs[0].t, n), NewVector(cs[1].t, n)
	if err := cs[0].take(n, keys); err != nil {
		return err
	}
	if err := cs[1].take(n, elems); err != nil {
		return err
	}
	if keys.Elems.n != elems.Elems.n {
		return fmt.Errorf("%d keys and %d values", keys.Elems.n, elems.Elems.n)
	}
	out.Offsets, out.Keys, out.Elems, out.Valid, out.n = keys.Offsets, keys.Elems, elems.Elems, keys.Valid, n
	return nil
}

// pruneGroup returns the ranges of a row group that may hold matching rows: by
// Bloom filter for the whole group, then by the page index of each column that
// has one.
func (s *Snapshot) pruneGroup(g parquet.RowGroup, where []Cond, file *parquet.File) (out []rowRange, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged: %v", p)
		}
	}()
	out = []rowRange{{0, g.NumRows()}}
	for i := range where {
		c := &where[i]
		col := s.schema.Index(c.Column)
		if col < 0 || s.schema.Fields[col].Type.nested() {
			continue
		}
		leaves, err := leavesOf(file, s.schema.Fields[col])
		if err != nil || len(leaves) != 1 {
			continue
		}
		chunk := g.ColumnChunks()[leaves[0].index]
		if !bloomMay(chunk, c) {
			return nil, nil
		}
		if out = intersect(out, pageRanges(chunk, leaves[0], s.schema.Fields[col].Type, c, g.NumRows())); len(out) == 0 {
			return nil, nil
		}
	}
	return out, nil
}

// bloomMay asks the column's filter for equality conditions on strings.
func bloomMay(chunk parquet.ColumnChunk, c *Cond) bool {
	values := c.Values
	switch c.Op {
	case Eq:
		values = []any{c.Value}
	case In:
	default:
		return true
	}
	filter := chunk.BloomFilter()
	if filter == nil || filter.Size() == 0 {
		return true
	}
	for _, v := range values {
		s, ok := v.(string)
		if !ok {
			return true
		}
		if hit, err := filter.Check(parquet.ByteArrayValue([]byte(s))); hit || err != nil {
			return true
		}
	}
	return false
}

// pageRanges are the rows of the pages whose bounds may match.
func pageRanges(chunk parquet.ColumnChunk, l leaf, t Type, c *Cond, rows int64) []rowRange {
	all := []rowRange{{0, rows}}
	index, err := chunk.ColumnIndex()
	if err != nil || index == nil {
		return all
	}
	offsets, err := chunk.OffsetIndex()
	if err != nil || offsets == nil || offsets.NumPages() != index.NumPages() {
		return all
	}
	var out []rowRange
	for i := range index.NumPages() {
		r := values{empty: index.NullPage(i)}
		if !r.empty {
			r.lo, r.hasLo = l.indexBound(t, index.MinValue(i))
			r.hi, r.hasHi = l.indexBound(t, index.MaxValue(i))
		}
		if !c.mayMatch(r) {
			continue
		}
		from, to := offsets.FirstRowIndex(i), rows
		if i+1 < offsets.NumPages() {
			to = offsets.FirstRowIndex(i + 1)
		}
		if k := len(out) - 1; k >= 0 && out[k].to == from {
			out[k].to = to
		} else {
			out = append(out, rowRange{from, to})
		}
	}
	return out
}

// indexBound is a bound of the page index in the column's own terms.
func (l leaf) indexBound(t Type, v parquet.Value) (any, bool) {
	if v.IsNull() || t.Kind == Decimal || t.Kind == Binary {
		return nil, false
	}
	switch l.kind {
	case parquet.Int32:
		return int64(v.Int32()), true
	case parquet.Int64:
		return floorDiv(v.Int64()*l.multiply, l.divide), true
	case parquet.Float:
		return float64(v.Float()), true
	case parquet.Double:
		return v.Double(), true
	case parquet.ByteArray:
		return string(v.ByteArray()), true
	}
	return nil, false
}

// intersect keeps the rows that are in both lists of ascending ranges.
func intersect(a, b []rowRange) []rowRange {
	var out []rowRange
	for i, j := 0, 0; i < len(a) && j < len(b); {
		from, to := max(a[i].from, b[j].from), min(a[i].to, b[j].to)
		if from < to {
			out = append(out, rowRange{from, to})
		}
		if a[i].to < b[j].to {
			i++
		} else {
			j++
		}
	}
	return out
}
