package delta

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkAppend is rows into a table on disk, synced and committed.
func BenchmarkAppend(b *testing.B) {
	for _, rows := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(rows, " rows a commit"), func(b *testing.B) {
			s, err := NewLocal(b.TempDir())
			require.NoError(b, err)
			table, err := Create(b.Context(), s, eventSpec, eventOptions)
			require.NoError(b, err)
			batch := eventBatch(0, rows)
			for b.Loop() {
				if _, err := table.Append(b.Context(), part(day0, "p"), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkScan is rows out of one file.
func BenchmarkScan(b *testing.B) {
	const rows = 200_000
	s, err := NewLocal(b.TempDir())
	require.NoError(b, err)
	table, err := Create(b.Context(), s, eventSpec, eventOptions)
	require.NoError(b, err)
	_, err = table.Append(b.Context(), part(day0, "p"), eventBatch(0, rows))
	require.NoError(b, err)
	for _, columns := range [][]string{{"n"}, {"n", "ratio", "at"}, {"small"}, {"body"}, nil} {
		b.Run(fmt.Sprint(columns), func(b *testing.B) {
			for b.Loop() {
				n := 0
				for p, err := range table.Scan(b.Context(), table.Snapshot(), Query{Columns: columns}) {
					if err != nil {
						b.Fatal(err)
					}
					n += p.Rows()
				}
				if n != rows {
					b.Fatal(n)
				}
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkRefresh is the price of asking whether there is anything new, in a
// table of many files.
func BenchmarkRefresh(b *testing.B) {
	s, err := NewLocal(b.TempDir())
	require.NoError(b, err)
	table, err := Create(b.Context(), s, eventSpec, Options{CheckpointEvery: -1})
	require.NoError(b, err)
	add, err := table.Write(b.Context(), part(day0, "p"), One(eventBatch(0, 1)))
	require.NoError(b, err)
	c := Change{Operation: "WRITE", DataChange: true}
	for i := range 20_000 {
		a := add
		a.Path = fmt.Sprintf("day=x/%06d.parquet", i)
		c.Adds = append(c.Adds, a)
	}
	_, err = table.Commit(b.Context(), c)
	require.NoError(b, err)
	b.Run("nothing new", func(b *testing.B) {
		for b.Loop() {
			if _, err := table.Refresh(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("one commit", func(b *testing.B) {
		i := 0
		for b.Loop() {
			i++
			a := add
			a.Path = fmt.Sprintf("day=y/%06d.parquet", i)
			if _, err := table.Commit(b.Context(), Change{Operation: "WRITE", DataChange: true, Adds: []Add{a}}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
