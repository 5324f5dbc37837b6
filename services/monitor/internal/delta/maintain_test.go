package delta

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCompactionKeepsEveryRowAndSaysThatNoDataChanged(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		table := createEvents(t, s, eventOptions)
		for i := range 40 {
			_, err := table.Append(t.Context(), part(int64(day0+i%2), "p"), eventBatch(i*50, 50))
			require.NoError(t, err)
		}
		before := readIDs(t, table)
		done, err := table.Optimize(t.Context(), CompactOptions{})
		require.NoError(t, err)
		require.Equal(t, 40, done.FilesRemoved)
		require.Equal(t, 2, done.FilesAdded)
		require.EqualValues(t, 2000, done.Rows)
		require.Equal(t, before, readIDs(t, table))
		data, err := s.Get(t.Context(), commitKey(table.Snapshot().Version()))
		require.NoError(t, err)
		as, err := parseActions("", data)
		require.NoError(t, err)
		for _, a := range as {
			if a.Add != nil {
				require.False(t, a.Add.DataChange)
			}
			if a.Remove != nil {
				require.False(t, a.Remove.DataChange)
			}
		}
		// The rows themselves, types and all.
		var all []Piece
		for p, err := range table.Scan(t.Context(), table.Snapshot(), Query{Where: []Cond{{Column: "day", Op: Eq, Value: int64(day0)}}, BatchRows: 50}) {
			require.NoError(t, err)
			all = append(all, p)
		}
		require.Len(t, all, 20)
		for i, p := range all {
			requireEvents(t, p.Batch, i*100)
		}
		done, err = table.Optimize(t.Context(), CompactOptions{})
		require.NoError(t, err)
		require.Zero(t, done.FilesRemoved, "two large files are not small files")
	})
}

func TestAYearOfSmallFilesEndsInFewWithLittleRewriting(t *testing.T) {
	t.Parallel()
	// The plan alone, over the sizes that half-second commits make in a day.
	var files []*DataFile
	next := 0
	addFile := func(size int64) {
		next++
		files = append(files, &DataFile{Key: fmt.Sprintf("day=x/%09d", next), Add: Add{Size: size, ModificationTime: int64(next)}})
	}
	var written, rewritten int64
	for range 50_000 {
		addFile(20 << 10)
		written += 20 << 10
		if next%16 != 0 {
			continue
		}
		for _, g := range planCompaction(files, CompactOptions{}) {
			gone := map[*DataFile]bool{}
			for _, f := range g {
				gone[f] = true
			}
			kept := files[:0]
			for _, f := range files {
				if !gone[f] {
					kept = append(kept, f)
				}
			}
			files = kept
			addFile(total(g))
			rewritten += total(g)
		}
		require.Less(t, len(files), 70)
	}
	require.Less(t, float64(rewritten)/float64(written), 5.0)
	settled := planCompaction(files, CompactOptions{Settled: func(map[string]*string) bool { return true }})
	left := len(files)
	for _, g := range settled {
		left += 1 - len(g)
	}
	require.Less(t, left, 14, "a day of 976 MB in files of 128 MB")
}

func TestCompactionAndAppendsDoNotHinderEachOther(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		createEvents(t, s, Options{})
		ctx, stop := context.WithCancel(t.Context())
		var writers, optimizers sync.WaitGroup
		for range 2 {
			table, err := Open(t.Context(), s, Options{CheckpointEvery: 9})
			require.NoError(t, err)
			optimizers.Go(func() {
				for ctx.Err() == nil {
					if _, err := table.Optimize(t.Context(), CompactOptions{Fan: 3}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for w := range 3 {
			table, err := Open(t.Context(), s, Options{CheckpointEvery: 9})
			require.NoError(t, err)
			writers.Go(func() {
				for i := range 25 {
					if _, err := table.Append(t.Context(), part(day0, "p"), eventBatch((w*25+i)*4, 4)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		writers.Wait()
		stop()
		optimizers.Wait()
		table, err := Open(t.Context(), s, Options{})
		require.NoError(t, err)
		ids := readIDs(t, table)
		require.Len(t, ids, 300)
		for id, n := range ids {
			require.Equal(t, 1, n, id)
		}
		require.Less(t, table.Snapshot().NumFiles(), 75)
	})
}

func TestOfTwoJoinsOfOneFileTheSecondIsGivenUp(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		table := createEvents(t, s, Options{})
		for i := range 4 {
			_, err := table.Append(t.Context(), part(day0, "p"), eventBatch(i, 1))
			require.NoError(t, err)
		}
		old := table.Snapshot()
		_, err := table.Optimize(t.Context(), CompactOptions{Fan: 2})
		require.NoError(t, err)
		var done Compacted
		err = table.join(t.Context(), old, old.files, &done)
		var conflict *ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Len(t, readIDs(t, table), 4)
	})
}

func TestVacuumWaitsForTheRetentionAndTouchesNothingElse(t *testing.T) {
	t.Parallel()
	s, err := NewLocal(t.TempDir())
	require.NoError(t, err)
	clock := newClock(time.Now())
	o := Options{Now: clock.Now, CheckpointEvery: 3, CompactedRetention: 24 * time.Hour}
	table := createEvents(t, s, o)
	for i := range 9 {
		_, err := table.Append(t.Context(), part(day0, "p"), eventBatch(i, 1))
		require.NoError(t, err)
	}
	require.NoError(t, s.Put(t.Context(), "_delta_index/keep", []byte("x")))
	require.NoError(t, s.Put(t.Context(), "_change_data/keep", []byte("x")))
	_, err = table.Optimize(t.Context(), CompactOptions{})
	require.NoError(t, err)
	old := table.Snapshot()

	vacuum := func() int {
		t.Helper()
		done, err := table.Vacuum(t.Context())
		require.NoError(t, err)
		require.Len(t, readIDs(t, table), 9)
		return done.Files
	}
	require.Zero(t, vacuum())
	clock.Advance(23 * time.Hour)
	require.Zero(t, vacuum())
	require.NoError(t, table.Checkpoint(t.Context()))
	// A process that starts now learns of the removals from the checkpoint.
	table, err = Open(t.Context(), s, o)
	require.NoError(t, err)
	require.Len(t, table.Snapshot().tombs, 9)
	clock.Advance(2 * time.Hour)
	require.Equal(t, 9, vacuum())
	require.Contains(t, keysOf(t, s, ""), "_delta_index/keep")
	require.Contains(t, keysOf(t, s, ""), "_change_data/keep")
	clock.Advance(48 * time.Hour)
	require.NoError(t, table.Checkpoint(t.Context()))
	require.Empty(t, table.Snapshot().tombs)
	require.Len(t, old.files, 1)
	require.Zero(t, vacuum())
}

func TestARemovedFileIsKeptForTheTablesOwnRetention(t *testing.T) {
	t.Parallel()
	s, err := NewLocal(t.TempDir())
	require.NoError(t, err)
	clock := newClock(time.Now())
	spec := eventSpec
	spec.Properties = map[string]string{"delta.deletedFileRetentionDuration": "interval 2 days"}
	table, err := Create(t.Context(), s, spec, Options{Now: clock.Now, CompactedRetention: time.Hour})
	require.NoError(t, err)
	snap, err := table.Append(t.Context(), part(day0, "p"), eventBatch(0, 1))
	require.NoError(t, err)
	_, err = table.Commit(t.Context(), Change{Operation: "DELETE", Removes: []string{snap.files[0].Key}, DataChange: true})
	require.NoError(t, err)
	for _, want := range []struct {
		wait  time.Duration
		files int
	}{{47 * time.Hour, 0}, {2 * time.Hour, 1}} {
		clock.Advance(want.wait)
		done, err := table.Vacuum(t.Context())
		require.NoError(t, err)
		require.Equal(t, want.files, done.Files)
	}
}

func TestAnAppendOnlyTableKeepsItsRows(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		spec := eventSpec
		spec.Properties = map[string]string{"delta.appendOnly": "true"}
		table, err := Create(t.Context(), s, spec, Options{})
		require.NoError(t, err)
		for i := range 2 {
			_, err = table.Append(t.Context(), part(day0, "p"), eventBatch(i, 1))
			require.NoError(t, err)
		}
		_, err = table.Commit(t.Context(), Change{Operation: "DELETE", Removes: []string{table.Snapshot().files[0].Key}, DataChange: true})
		var conflict *ConflictError
		require.ErrorAs(t, err, &conflict)
		_, err = table.Optimize(t.Context(), CompactOptions{Fan: 2})
		require.NoError(t, err, "joining files removes no row")
		require.Equal(t, 1, table.Snapshot().NumFiles())
	})
}

func TestIntervalsReadAsTheEnginesReadThem(t *testing.T) {
	t.Parallel()
	const def = time.Minute
	for text, want := range map[string]time.Duration{
		"interval 7 days": 7 * 24 * time.Hour, "INTERVAL 1 WEEK": 7 * 24 * time.Hour, "30 hours": 30 * time.Hour,
		"interval 90 seconds": 90 * time.Second, "": def, "forever": def, "interval -1 days": def, "interval 1 fortnight": def,
		Interval(36 * time.Hour): 36 * time.Hour,
	} {
		require.Equal(t, want, interval(text, def), text)
	}
}
