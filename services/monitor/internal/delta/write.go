package delta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Write stores rows of one partition as a data file that no commit names yet,
// and returns the Add for a commit. The batches hold columns of the table, in any
// order and the same in all, without its partition columns; a column that they
// leave out reads as null, so that a program older than the table can write.
// Partition has a value (string, int64, float64, bool or nil) for each partition
// column. When the commit never comes, Vacuum takes the file away after the
// retention.
func (t *Table) Write(ctx context.Context, partition map[string]any, batches iter.Seq2[*Batch, error]) (Add, error) {
	s := t.Snapshot()
	values := make(map[string]*string, len(s.meta.PartitionColumns))
	for _, c := range s.meta.PartitionColumns {
		v, ok := partition[c]
		if !ok {
			return Add{}, fmt.Errorf("delta: no value for partition column %q", c)
		}
		text, err := partitionText(s.schema.Fields[s.schema.Index(c)].Type, v)
		if err != nil {
			return Add{}, err
		}
		values[c] = text
	}
	return t.writeFile(ctx, s, values, batches)
}

// One yields a single batch, for Write.
func One(b *Batch) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) { yield(b, nil) }
}

// FileSchema is the columns that a data file holds: the table's less the
// partition columns.
func (s *Snapshot) FileSchema() *Schema { return s.schema.Without(s.meta.PartitionColumns...) }

func (t *Table) writeFile(ctx context.Context, s *Snapshot, values map[string]*string, batches iter.Seq2[*Batch, error]) (_ Add, err error) {
	key := "part-00000-" + t.o.NewID() + "-c000.zstd.parquet"
	if dir := partitionDir(s.meta.PartitionColumns, values); dir != "" {
		key = dir + "/" + key
	}
	f, err := t.store.Create(ctx, key)
	if err != nil {
		return Add{}, err
	}
	closed := false
	defer func() {
		if !closed {
			f.Abort()
		}
	}()
	out := &counter{w: f}
	var enc *encoder
	var st *statist
	for b, err := range batches {
		if err != nil {
			return Add{}, err
		}
		if enc == nil {
			if err := s.accepts(b.Schema); err != nil {
				return Add{}, err
			}
			if enc, err = newEncoder(out, b.Schema, &t.o); err != nil {
				return Add{}, err
			}
			st = newStatist(b.Schema, t.o.Stats)
		}
		if err := enc.accepts(b); err != nil {
			return Add{}, err
		}
		if err := enc.write(b); err != nil {
			return Add{}, err
		}
		st.add(b)
	}
	if enc == nil {
		return Add{}, errors.New("delta: a file of no rows")
	}
	if err := enc.close(); err != nil {
		return Add{}, err
	}
	stats, err := st.json()
	if err != nil {
		return Add{}, err
	}
	closed = true
	if err := f.Close(); err != nil {
		return Add{}, err
	}
	return Add{
		Path: pathOf(key), PartitionValues: values, Size: out.n,
		ModificationTime: t.o.Now().UnixMilli(), DataChange: true, Stats: stats,
	}, nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// accepts checks that columns of this schema may stand in a file of the table.
func (s *Snapshot) accepts(have *Schema) error {
	want := s.FileSchema()
	for _, f := range have.Fields {
		i := want.Index(f.Name)
		if i < 0 {
			return fmt.Errorf("delta: the table has no column %q for a file", f.Name)
		}
		if want.Fields[i].Type.String() != f.Type.String() {
			return fmt.Errorf("delta: column %q is %s in the table and %s here", f.Name, want.Fields[i].Type, f.Type)
		}
	}
	for _, f := range want.Fields {
		if !f.Nullable && have.Index(f.Name) < 0 {
			return fmt.Errorf("delta: column %q must have values", f.Name)
		}
	}
	return nil
}

// accepts checks that a batch goes on where the ones before it ended.
func (e *encoder) accepts(b *Batch) error {
	if len(b.Schema.Fields) != len(e.schema.Fields) {
		return fmt.Errorf("delta: a batch of %d columns in a file of %d", len(b.Schema.Fields), len(e.schema.Fields))
	}
	for i, f := range b.Schema.Fields {
		if w := e.schema.Fields[i]; w.Name != f.Name || w.Type.String() != f.Type.String() {
			return fmt.Errorf("delta: column %d is %q in this batch and %q in the first", i+1, f.Name, w.Name)
		}
	}
	return b.check()
}

// Append writes the rows of one partition and commits them.
func (t *Table) Append(ctx context.Context, partition map[string]any, b *Batch, txns ...TxnStep) (*Snapshot, error) {
	add, err := t.Write(ctx, partition, One(b))
	if err != nil {
		return nil, err
	}
	return t.Commit(ctx, Change{Operation: "WRITE", Parameters: map[string]string{"mode": "Append"}, Adds: []Add{add}, DataChange: true, Txns: txns})
}
