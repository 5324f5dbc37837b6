package delta

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Write stores rows of one partition as a data file that no commit names yet,
// and returns the Add for a commit. The batches hold the columns of the table
// less its partition columns, in the table's order; partition has a value
// (string, int64, float64, bool or nil) for each partition column. When the
// commit never comes, Vacuum takes the file away after the retention.
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
	schema := s.FileSchema()
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
	enc, err := newEncoder(out, schema, &t.o)
	if err != nil {
		return Add{}, err
	}
	st := newStatist(schema, t.o.Stats)
	for b, err := range batches {
		if err != nil {
			return Add{}, err
		}
		if err := sameColumns(schema, b.Schema); err != nil {
			return Add{}, err
		}
		if err := b.check(); err != nil {
			return Add{}, err
		}
		if err := enc.write(b); err != nil {
			return Add{}, err
		}
		st.add(b)
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

func sameColumns(want, have *Schema) error {
	if len(want.Fields) == len(have.Fields) {
		same := true
		for i := range want.Fields {
			if want.Fields[i].Name != have.Fields[i].Name || want.Fields[i].Type.String() != have.Fields[i].Type.String() {
				same = false
				break
			}
		}
		if same {
			return nil
		}
	}
	var names []string
	for _, f := range want.Fields {
		names = append(names, f.Name)
	}
	return fmt.Errorf("delta: a file of this table has the columns %s", strings.Join(names, ", "))
}

// Append writes the rows of one partition and commits them.
func (t *Table) Append(ctx context.Context, partition map[string]any, b *Batch, txns ...TxnStep) (*Snapshot, error) {
	add, err := t.Write(ctx, partition, One(b))
	if err != nil {
		return nil, err
	}
	return t.Commit(ctx, Change{Operation: "WRITE", Parameters: map[string]string{"mode": "Append"}, Adds: []Add{add}, DataChange: true, Txns: txns})
}
