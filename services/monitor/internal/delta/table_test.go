package delta

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestARowComesBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		table := createEvents(t, s, eventOptions)
		_, err := table.Append(t.Context(), part(day0, "here"), eventBatch(0, 3000))
		require.NoError(t, err)
		again, err := Open(t.Context(), s, eventOptions)
		require.NoError(t, err)
		at := 0
		for p, err := range again.Scan(t.Context(), again.Snapshot(), Query{BatchRows: 700}) {
			require.NoError(t, err)
			require.EqualValues(t, at, p.Row)
			requireEvents(t, p.Batch, at)
			for i := range p.Rows() {
				require.EqualValues(t, day0, p.Column("day").Ints[i])
				require.Equal(t, "here", p.Column("place").Strings[i])
			}
			at += p.Rows()
		}
		require.Equal(t, 3000, at)
	})
}

func TestSingleRowsAreReadByTheirPlace(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		table := createEvents(t, s, eventOptions)
		_, err := table.Append(t.Context(), part(day0, "here"), eventBatch(0, 9000))
		require.NoError(t, err)
		snap := table.Snapshot()
		rows := []int64{0, 1, 2, 77, 4095, 4096, 8999}
		b, err := table.ReadRows(t.Context(), snap, snap.files[0], nil, rows)
		require.NoError(t, err)
		for i, r := range rows {
			want := eventBatch(int(r), 1)
			for k, f := range want.Schema.Fields {
				got := NewVector(f.Type, 1)
				got.appendFrom(b.Column(f.Name), i, i+1)
				requireVector(t, f.Name, want.Columns[k], got)
			}
		}
		_, err = table.ReadRows(t.Context(), snap, snap.files[0], nil, []int64{9000})
		require.ErrorContains(t, err, "asked for 1 rows, found 0")
	})
}

func TestReplayGivesTheStateThatTheWriterHas(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		table := createEvents(t, s, Options{CheckpointEvery: 4})
		for i := range 11 {
			_, err := table.Append(t.Context(), part(day0+int64(i%3), fmt.Sprint("p", i%2)), eventBatch(i*10, 10), TxnStep{AppID: "app", From: int64(i), To: int64(i + 1)})
			require.NoError(t, err)
		}
		_, err := table.Optimize(t.Context(), CompactOptions{Fan: 2})
		require.NoError(t, err)
		want := table.Snapshot()
		again, err := Open(t.Context(), s, Options{})
		require.NoError(t, err)
		got := again.Snapshot()
		require.Equal(t, want.Version(), got.Version())
		require.Equal(t, want.Bytes(), got.Bytes())
		require.Equal(t, want.Metadata(), got.Metadata())
		require.Equal(t, want.Schema(), got.Schema())
		require.Equal(t, want.txns["app"].Version, got.txns["app"].Version)
		require.Len(t, got.files, len(want.files))
		for i := range want.files {
			w, g := want.files[i].Add, got.files[i].Add
			w.DataChange, g.DataChange = false, false
			require.Equal(t, w, g)
		}
		require.Equal(t, want.tombs, got.tombs)
		require.Len(t, readIDs(t, again), 110)
	})
}

func TestOpeningReadsTheCheckpointAndOnlyTheCommitsAfterIt(t *testing.T) {
	t.Parallel()
	inner, err := NewLocal(t.TempDir())
	require.NoError(t, err)
	s := &spy{Store: inner}
	table := createEvents(t, s, Options{CheckpointEvery: 10})
	for i := range 33 {
		_, err := table.Append(t.Context(), part(day0, "p"), eventBatch(i, 1))
		require.NoError(t, err)
	}
	s.reset()
	again, err := Open(t.Context(), s, Options{})
	require.NoError(t, err)
	require.EqualValues(t, 33, again.Snapshot().Version())
	require.Equal(t, 33, again.Snapshot().NumFiles())
	require.Equal(t, []string{lastCheckpoint, checkpointKey(30), commitKey(31), commitKey(32), commitKey(33), commitKey(34)}, s.gets)

	// The log before the checkpoint may be gone, and so may the hint.
	for v := range int64(30) {
		require.NoError(t, s.Delete(t.Context(), commitKey(v)))
	}
	require.NoError(t, s.Delete(t.Context(), lastCheckpoint))
	again, err = Open(t.Context(), s, Options{})
	require.NoError(t, err)
	require.Len(t, readIDs(t, again), 33)
}

func TestADamagedHintIsNoObstacle(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		table := createEvents(t, s, Options{CheckpointEvery: 2})
		for i := range 5 {
			_, err := table.Append(t.Context(), part(day0, "p"), eventBatch(i, 1))
			require.NoError(t, err)
		}
		for _, hint := range []string{`{"vers`, `{"version":99,"size":3}`} {
			require.NoError(t, s.Put(t.Context(), lastCheckpoint, []byte(hint)))
			again, err := Open(t.Context(), s, Options{})
			require.NoError(t, err, hint)
			require.EqualValues(t, 5, again.Snapshot().Version())
		}
	})
}

func TestEightWritersLoseNoCommit(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		createEvents(t, s, Options{CheckpointEvery: 7})
		const writers, appends, rows = 8, 12, 5
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				table, err := Open(t.Context(), s, Options{CheckpointEvery: 7})
				if err != nil {
					t.Error(err)
					return
				}
				for i := range appends {
					from := (w*appends + i) * rows
					if _, err := table.Append(t.Context(), part(day0, fmt.Sprint(w%3)), eventBatch(from, rows), TxnStep{AppID: fmt.Sprint("w", w), From: int64(i), To: int64(i + 1)}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		table, err := Open(t.Context(), s, Options{})
		require.NoError(t, err)
		require.EqualValues(t, writers*appends, table.Snapshot().Version())
		ids := readIDs(t, table)
		require.Len(t, ids, writers*appends*rows)
		for id, n := range ids {
			require.Equal(t, 1, n, id)
		}
	})
}

func TestOfManyCreatesOfOneKeyOneWins(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		for round := range 20 {
			key := fmt.Sprintf("_delta_log/%020d.json", round)
			var wg sync.WaitGroup
			won := make(chan string, 16)
			for w := range 16 {
				wg.Go(func() {
					text := fmt.Sprint("writer ", w)
					switch err := s.PutIfAbsent(t.Context(), key, []byte(text)); {
					case err == nil:
						won <- text
					case !errors.Is(err, fs.ErrExist):
						t.Error(err)
					}
				})
			}
			wg.Wait()
			close(won)
			require.Len(t, won, 1)
			got, err := s.Get(t.Context(), key)
			require.NoError(t, err)
			require.Equal(t, <-won, string(got))
		}
		require.Len(t, keysOf(t, s, "_delta_log/"), 20, "no temporary file stays")
	})
}

func TestAnAppendSentTwiceHappensOnce(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		table := createEvents(t, s, Options{})
		step := TxnStep{AppID: "gateway-1/7", From: 0, To: 10}
		_, err := table.Append(t.Context(), part(day0, "p"), eventBatch(0, 10), step)
		require.NoError(t, err)

		other, err := Open(t.Context(), s, Options{})
		require.NoError(t, err)
		_, err = other.Append(t.Context(), part(day0, "p"), eventBatch(0, 10), step)
		var conflict *TxnConflictError
		require.ErrorAs(t, err, &conflict)
		require.EqualValues(t, 10, conflict.Have)
		require.Len(t, readIDs(t, other), 10)
	})
}

func TestATransactionIsCheckedAgainAfterALostRace(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		createEvents(t, s, Options{})
		a, err := Open(t.Context(), s, Options{})
		require.NoError(t, err)
		b, err := Open(t.Context(), s, Options{})
		require.NoError(t, err)
		_, err = a.Append(t.Context(), part(day0, "p"), eventBatch(0, 4), TxnStep{AppID: "x", From: 0, To: 4})
		require.NoError(t, err)
		// b still believes in version 0, loses the race for 1 and must look again.
		_, err = b.Append(t.Context(), part(day0, "p"), eventBatch(0, 4), TxnStep{AppID: "x", From: 0, To: 4})
		var conflict *TxnConflictError
		require.ErrorAs(t, err, &conflict)
		_, err = b.Append(t.Context(), part(day0, "p"), eventBatch(4, 4), TxnStep{AppID: "x", From: 4, To: 8})
		require.NoError(t, err)
		require.Len(t, readIDs(t, b), 8)
	})
}

func TestACommitWhoseAnswerWasLostIsRecognised(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, inner Store) {
		s := &spy{Store: inner}
		table := createEvents(t, s, Options{})
		lost := errors.New("connection reset")
		for _, answer := range []error{lost, fmt.Errorf("again: %w", fs.ErrExist)} {
			failures := 1
			s.after = func(string, string) error {
				if failures > 0 {
					failures--
					return answer
				}
				return nil
			}
			before := table.Snapshot().Version()
			snap, err := table.Append(t.Context(), part(day0, "p"), eventBatch(int(before), 1))
			require.NoError(t, err)
			require.Equal(t, before+1, snap.Version())
		}
		require.Len(t, readIDs(t, table), 2)
	})
}

func TestAFailedCommitLeavesTheTableAsItWas(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, inner Store) {
		s := &spy{Store: inner}
		table := createEvents(t, s, Options{})
		full := errors.New("disk full")
		s.before = func(op, key string) error {
			if op == "put-if-absent" {
				return full
			}
			return nil
		}
		_, err := table.Append(t.Context(), part(day0, "p"), eventBatch(0, 5))
		require.ErrorIs(t, err, full)
		s.before = nil
		again, err := Open(t.Context(), s, Options{})
		require.NoError(t, err)
		require.Zero(t, again.Snapshot().NumFiles())
		require.Len(t, keysOf(t, s, "day=2024-10-04/"), 1, "the rows were written, and nobody sees them")
	})
}

func TestACrashBetweenWritingAndCommittingLeavesOnlyAFileForTheVacuum(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := NewLocal(dir)
	require.NoError(t, err)
	clock := newClock(time.Now())
	table := createEvents(t, s, Options{Now: clock.Now})
	_, err = table.Append(t.Context(), part(day0, "p"), eventBatch(0, 5))
	require.NoError(t, err)
	_, err = table.Write(t.Context(), part(day0, "p"), One(eventBatch(5, 5))) // and then the machine stops
	require.NoError(t, err)
	again, err := Open(t.Context(), s, Options{Now: clock.Now})
	require.NoError(t, err)
	require.Len(t, readIDs(t, again), 5)

	done, err := again.Vacuum(t.Context())
	require.NoError(t, err)
	require.Zero(t, done.Files, "it might still be committed")
	clock.Advance(8 * 24 * time.Hour)
	done, err = again.Vacuum(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, done.Files)
	require.Len(t, readIDs(t, again), 5)
}

func TestCreateRefusesAPlaceThatHasATable(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		_, err := Open(t.Context(), s, Options{})
		require.ErrorIs(t, err, ErrNotTable)
		createEvents(t, s, Options{})
		_, err = Create(t.Context(), s, eventSpec, Options{})
		require.ErrorIs(t, err, fs.ErrExist)
	})
}

func TestManyOpenersOfANewTableMakeOneTable(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		ids := make([]string, 8)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				table, err := OpenOrCreate(t.Context(), s, eventSpec, Options{})
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = table.Snapshot().Metadata().ID
			})
		}
		wg.Wait()
		for _, id := range ids {
			require.Equal(t, ids[0], id)
		}
	})
}

func TestANewColumnReadsAsNullInOldFiles(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		table := createEvents(t, s, Options{})
		_, err := table.Append(t.Context(), part(day0, "p"), eventBatch(0, 3))
		require.NoError(t, err)
		wider := eventSpec
		wider.Schema = events()
		wider.Schema.Fields = append(wider.Schema.Fields, Field{Name: "later", Type: ArrayOf(String)}, Field{Name: "score", Type: Of(Double)})
		table, err = OpenOrCreate(t.Context(), s, wider, Options{})
		require.NoError(t, err)
		b := eventBatch(3, 1)
		b.Schema = wider.Schema.Without("day", "place")
		b.Columns = append(b.Columns, NewVector(ArrayOf(String), 1), NewVector(Of(Double), 1))
		b.Column("later").AppendStrings([]string{"x"})
		b.Column("score").AppendFloat(0.5)
		_, err = table.Append(t.Context(), part(day0, "q"), b)
		require.NoError(t, err)
		var nulls, values int
		for p, err := range table.Scan(t.Context(), table.Snapshot(), Query{Columns: []string{"later", "score"}}) {
			require.NoError(t, err)
			nulls += p.Column("score").Nulls()
			values += p.Rows() - p.Column("later").Nulls()
		}
		require.Equal(t, 3, nulls)
		require.Equal(t, 1, values)

		version := table.Snapshot().Version()
		table, err = OpenOrCreate(t.Context(), s, eventSpec, Options{})
		require.NoError(t, err)
		require.Equal(t, version, table.Snapshot().Version(), "an older program takes nothing away")
		kept := eventSpec
		kept.Properties = map[string]string{"delta.logRetentionDuration": Interval(time.Hour)}
		for range 2 {
			table, err = OpenOrCreate(t.Context(), s, kept, Options{})
			require.NoError(t, err)
			require.Equal(t, version+1, table.Snapshot().Version())
			require.Equal(t, "interval 3600 seconds", table.Snapshot().Metadata().Configuration["delta.logRetentionDuration"])
		}

		narrower := eventSpec
		narrower.Schema = &Schema{Fields: []Field{{Name: "n", Type: Of(String)}}}
		_, err = OpenOrCreate(t.Context(), s, narrower, Options{})
		require.ErrorContains(t, err, `column "n" is long in the table and string here`)
	})
}

func TestOtherEnginesMayReadTheFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := NewLocal(dir)
	require.NoError(t, err)
	table := createEvents(t, s, Options{CheckpointEvery: 1})
	_, err = table.Append(t.Context(), part(day0, "p"), eventBatch(0, 1))
	require.NoError(t, err)
	keys := keysOf(t, s, "")
	require.Len(t, keys, 5, "two commits, a checkpoint, the hint, the data")
	for _, k := range keys {
		info, err := os.Stat(filepath.Join(dir, k))
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o644), info.Mode().Perm(), k)
	}
}

func TestAnOlderProgramWritesIntoANewerTable(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		// The newer program has a column in the middle; the table has it at the end.
		createEvents(t, s, Options{})
		newer := eventSpec
		newer.Schema = events()
		newer.Schema.Fields = slices.Insert(newer.Schema.Fields, 4, Field{Name: "later", Type: Of(Long)})
		table, err := OpenOrCreate(t.Context(), s, newer, Options{})
		require.NoError(t, err)
		b := eventBatch(0, 5)
		b.Schema = newer.Schema.Without("day", "place")
		b.Columns = slices.Insert(b.Columns, 2, NewVector(Of(Long), 5))
		for i := range 5 {
			b.Columns[2].AppendInt(int64(i))
		}
		_, err = table.Append(t.Context(), part(day0, "p"), b)
		require.NoError(t, err)
		older, err := OpenOrCreate(t.Context(), s, eventSpec, Options{})
		require.NoError(t, err)
		_, err = older.Append(t.Context(), part(day0, "p"), eventBatch(5, 5))
		require.NoError(t, err)
		_, err = older.Optimize(t.Context(), CompactOptions{Fan: 2})
		require.NoError(t, err)
		require.Equal(t, 1, older.Snapshot().NumFiles())
		var sum, nulls int64
		for p, err := range older.Scan(t.Context(), older.Snapshot(), Query{}) {
			require.NoError(t, err)
			for i, x := range p.Column("later").Ints {
				if !p.Column("later").Null(i) {
					require.Equal(t, fmt.Sprintf("id-%08d", x), p.Column("id").Strings[i])
				}
				if p.Column("later").Null(i) {
					nulls++
				}
				sum += x
			}
		}
		require.EqualValues(t, 10, sum)
		require.EqualValues(t, 5, nulls, "joining kept the newer column")
		require.Len(t, readIDs(t, older), 10)
	})
}

func TestABatchThatIsNotOfTheTableIsRefused(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		table := createEvents(t, s, Options{})
		write := func(change func(b *Batch)) error {
			b := eventBatch(0, 2)
			change(b)
			_, err := table.Write(t.Context(), part(day0, "p"), One(b))
			return err
		}
		require.ErrorContains(t, write(func(b *Batch) { b.Schema.Fields[0].Name = "who" }), `no column "who"`)
		require.ErrorContains(t, write(func(b *Batch) { b.Schema.Fields[0].Type = Of(Long) }), `"id" is string in the table and long here`)
		require.ErrorContains(t, write(func(b *Batch) { b.Columns[0].AppendString("x") }), "rows")
		_, err := table.Write(t.Context(), map[string]any{"day": int64(1)}, One(eventBatch(0, 1)))
		require.ErrorContains(t, err, `no value for partition column "place"`)
		_, err = table.Write(t.Context(), part(1, "p"), func(func(*Batch, error) bool) {})
		require.ErrorContains(t, err, "no rows")
		require.Len(t, keysOf(t, s, ""), 1, "nothing was left but the log")
	})
}

func TestAProcessThatSleptThroughALogCleaningFindsItsWay(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		clock := newClock(time.Now())
		o := Options{Now: clock.Now, CheckpointEvery: 5}
		createEvents(t, s, o)
		sleeper, err := Open(t.Context(), s, o)
		require.NoError(t, err)
		table, err := Open(t.Context(), s, o)
		require.NoError(t, err)
		for i := range 12 {
			_, err := table.Append(t.Context(), part(day0, "p"), eventBatch(i, 1))
			require.NoError(t, err)
		}
		clock.Advance(60 * 24 * time.Hour)
		n, err := table.CleanLog(t.Context())
		require.NoError(t, err)
		require.Equal(t, 11, n, "commits 0 to 9 and the checkpoint of 5")
		snap, err := sleeper.Refresh(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 12, snap.Version())
		require.Len(t, readIDs(t, sleeper), 12)
	})
}

func TestUnknownFeaturesAreRefusedByName(t *testing.T) {
	t.Parallel()
	schema, err := events().MarshalString()
	require.NoError(t, err)
	cases := []struct{ name, protocol, file, read, write string }{
		{"deletion vectors", `{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}`, "", "reader features deletionVectors", ""},
		{"column mapping", `{"minReaderVersion":2,"minWriterVersion":5}`, "", "reader version 2", ""},
		{"change data feed", `{"minReaderVersion":1,"minWriterVersion":4}`, "", "", "writer version 4"},
		{"row tracking", `{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["appendOnly","rowTracking"]}`, "", "", "writer features rowTracking"},
		{"a vector on a file", `{"minReaderVersion":1,"minWriterVersion":2}`, `{"add":{"path":"x.parquet","partitionValues":{},"size":1,"modificationTime":1,"dataChange":true,"deletionVector":{"storageType":"u"}}}`, "a deletion vector on x.parquet", ""},
		{"a file elsewhere", `{"minReaderVersion":1,"minWriterVersion":2}`, `{"add":{"path":"s3://other/x.parquet","partitionValues":{},"size":1,"modificationTime":1,"dataChange":true}}`, "outside the table", ""},
		{"what writer 7 calls old", `{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["appendOnly","invariants"]}`, "", "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := NewLocal(t.TempDir())
			require.NoError(t, err)
			commit := fmt.Sprintf("{\"protocol\":%s}\n{\"metaData\":{\"id\":\"x\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":%q,\"partitionColumns\":[\"day\",\"place\"],\"configuration\":{}}}\n%s\n", c.protocol, schema, c.file)
			require.NoError(t, s.PutIfAbsent(t.Context(), commitKey(0), []byte(commit)))
			table, err := Open(t.Context(), s, Options{})
			var unsupported *UnsupportedError
			if c.read != "" {
				require.ErrorAs(t, err, &unsupported)
				require.ErrorContains(t, err, c.read)
				return
			}
			require.NoError(t, err)
			_, err = table.Append(t.Context(), part(day0, "p"), eventBatch(0, 1))
			if c.write == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorAs(t, err, &unsupported)
			require.ErrorContains(t, err, c.write)
		})
	}
}

func TestDamageIsNamedNotSurvivedInSilence(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		table := createEvents(t, s, Options{})
		snap, err := table.Append(t.Context(), part(day0, "p"), eventBatch(0, 2000))
		require.NoError(t, err)
		key := snap.files[0].Key
		whole, err := s.Get(t.Context(), key)
		require.NoError(t, err)
		for _, cut := range []int{0, 7, len(whole) / 2, len(whole) - 1} {
			require.NoError(t, s.Put(t.Context(), key, whole[:cut]))
			var failed error
			for _, err := range table.Scan(t.Context(), snap, Query{}) {
				failed = errors.Join(failed, err)
			}
			require.ErrorContains(t, failed, key)
		}
		for at := 40; at < len(whole); at += 501 {
			bad := append([]byte{}, whole...)
			for k := at; k < min(at+8, len(bad)); k++ {
				bad[k] ^= 0xa5
			}
			require.NoError(t, s.Put(t.Context(), key, bad))
			for _, err := range table.Scan(t.Context(), snap, Query{}) {
				if err != nil { // a flipped value may pass; a panic may not
					require.ErrorContains(t, err, key)
				}
			}
		}
		require.NoError(t, s.PutIfAbsent(t.Context(), commitKey(2), []byte(`{"add":{"path":`)))
		_, err = table.Refresh(t.Context())
		var corrupt *CorruptError
		require.ErrorAs(t, err, &corrupt)
		require.Equal(t, commitKey(2), corrupt.Key)
	})
}

func TestWhatOthersWriteIntoTheirHistoryIsNoObstacle(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		table := createEvents(t, s, Options{})
		foreign := `{"commitInfo":{"timestamp":17,"operation":"MERGE","operationParameters":{"predicate":["a"],"mode":"x"},"operationMetrics":{"rows":12,"nested":{"a":1}},"isBlindAppend":null,"clientVersion":4}}` + "\n" + `{"domainMetadata":{"domain":"other"}}` + "\n"
		require.NoError(t, s.PutIfAbsent(t.Context(), commitKey(1), []byte(foreign)))
		_, err := table.Append(t.Context(), part(day0, "p"), eventBatch(0, 1))
		require.NoError(t, err)
		history, err := table.Commits(t.Context(), 5)
		require.NoError(t, err)
		require.Len(t, history, 3)
		require.Equal(t, "MERGE", history[1].Info.Operation)
		require.Equal(t, map[string]string{"rows": "12", "nested": `{"a":1}`}, history[1].Info.OperationMetrics)
		require.Equal(t, "CREATE TABLE", history[2].Info.Operation)
	})
}
