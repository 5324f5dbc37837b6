package delta

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
)

// Compacted is what Optimize did.
type Compacted struct {
	FilesRemoved, FilesAdded int
	BytesRemoved, BytesAdded int64
	Rows                     int64
	// Conflicts counts joins that were given up because somebody else removed
	// one of the files first.
	Conflicts int
}

// Optimize joins small files into larger ones. The rows stay the same rows, and
// the commits say so (dataChange false): streaming readers skip them. Appends
// may go on at any time; a join never contradicts one. Two optimizers may run
// at once; the later of two joins of one file is given up.
func (t *Table) Optimize(ctx context.Context, o CompactOptions) (Compacted, error) {
	var done Compacted
	s, err := t.Refresh(ctx)
	if err != nil {
		return done, err
	}
	for _, group := range planCompaction(s.files, o) {
		err := t.join(ctx, s, group, &done)
		var conflict *ConflictError
		if errors.As(err, &conflict) {
			done.Conflicts++
			continue
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// join rewrites a group of files of one partition as one file.
func (t *Table) join(ctx context.Context, s *Snapshot, group []*DataFile, done *Compacted) error {
	var rows int64
	add, err := t.writeFile(ctx, s, group[0].PartitionValues, t.rowsOf(ctx, s, group, &rows))
	if err != nil {
		return err
	}
	if want, exact := recordsOf(group); exact && want != rows {
		return fmt.Errorf("delta: compaction read %d rows where %d were written", rows, want)
	}
	c := Change{
		Operation: "OPTIMIZE", Parameters: map[string]string{"predicate": "[]", "zOrderBy": "[]"},
		Adds: []Add{add}, DataChange: false,
		metrics: map[string]string{
			"numRemovedFiles": strconv.Itoa(len(group)), "numRemovedBytes": strconv.FormatInt(total(group), 10),
			"numAddedFiles": "1", "numAddedBytes": strconv.FormatInt(add.Size, 10),
		},
	}
	for _, f := range group {
		c.Removes = append(c.Removes, f.Key)
	}
	if _, err := t.Commit(ctx, c); err != nil {
		return err
	}
	done.FilesRemoved += len(group)
	done.FilesAdded++
	done.BytesRemoved += total(group)
	done.BytesAdded += add.Size
	done.Rows += rows
	return nil
}

func recordsOf(files []*DataFile) (rows int64, exact bool) {
	for _, f := range files {
		st := f.Stats()
		if st == nil {
			return 0, false
		}
		rows += st.NumRecords
	}
	return rows, true
}

// joinBytes is about what a batch of a join may take in memory. A row may carry
// megabytes, and compressed text grows by some factor when it is read.
const (
	joinBytes  = 32 << 20
	joinGrowth = 8
	joinRows   = 2048
)

// rowsThatFit is the number of rows of a file that make a batch.
func rowsThatFit(f *DataFile) int {
	st := f.Stats()
	if st == nil || st.NumRecords == 0 {
		return 64
	}
	return int(min(max(joinBytes*st.NumRecords/(f.Size*joinGrowth+1), 1), joinRows))
}

// rowsOf yields the rows of some files one after another.
func (t *Table) rowsOf(ctx context.Context, s *Snapshot, files []*DataFile, rows *int64) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		names := make([]string, 0, len(s.schema.Fields))
		for _, f := range s.FileSchema().Fields {
			names = append(names, f.Name)
		}
		for _, f := range files {
			q := Query{Columns: names, Files: []*DataFile{f}, BatchRows: rowsThatFit(f)}
			for p, err := range t.Scan(ctx, s, q) {
				if err != nil {
					yield(nil, err)
					return
				}
				*rows += int64(p.Rows())
				if !yield(p.Batch, nil) {
					return
				}
			}
		}
	}
}
