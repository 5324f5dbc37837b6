package wal_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

// filled is a closed log with rows 1 to n in several segments, row i made of "b<i>" and "e<i>…", and one open request.
func filled(t *testing.T, n int) (wal.Options, []string) {
	t.Helper()
	o := options(t.TempDir())
	l := open(t, o)
	held := begin(t, l, "held")
	for i := range n - 1 {
		end(t, l, begin(t, l, fmt.Sprint("b", i+1)), fmt.Sprint("e", i+1, strings.Repeat(".", 300)))
	}
	end(t, l, held, "released")
	require.NoError(t, l.Ack(5))
	begin(t, l, "left open")
	before := rows(t, l)
	require.NoError(t, l.Close())
	require.Greater(t, len(segments(t, o.Dir)), 4)
	return o, before
}

// mend expects Open to refuse, repairs, and opens.
func mend(t *testing.T, o wal.Options) (*wal.Log, wal.Report) {
	t.Helper()
	_, err := wal.Open(o)
	require.True(t, fault.Is(err, fault.DataLoss), "%v", err)
	report, err := wal.Repair(o.Dir)
	require.NoError(t, err)
	l := open(t, o)
	require.Equal(t, report.Epoch, l.Epoch())
	return l, report
}

func damage(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, change(content), 0o600))
}

func TestRepairKeepsWhatIsWhole(t *testing.T) {
	t.Parallel()
	o, before := filled(t, 100)
	damage(t, segments(t, o.Dir)[2], func(b []byte) []byte {
		for i := 1000; i < 1500; i++ {
			b[i] = 0xee
		}
		return b
	})
	l, report := mend(t, o)
	require.Equal(t, 1, report.Damaged)
	require.Equal(t, 1, report.Gaps)
	require.GreaterOrEqual(t, report.DamagedBytes, int64(500))
	require.Positive(t, report.LostRows)
	require.EqualValues(t, 2, report.Epoch)

	after := rows(t, l)
	known := map[string]bool{}
	for _, row := range before {
		known[row] = true
	}
	kept, orphans, halves, lost := 0, 0, 0, 0
	for _, row := range after {
		switch {
		case known[row]:
			kept++
		case strings.HasSuffix(row, " lost"):
			lost++
		case strings.Contains(row, "uncertain true"):
			require.True(t, strings.HasPrefix(row, fmt.Sprintf("2/%d ", orphans+1)), "a new epoch counts from 1: %s", row)
			orphans++
		case strings.HasPrefix(row, "1/") && strings.Contains(row, " |e"): // the END is whole, its BEGIN was damaged
			halves++
		default:
			t.Fatalf("a row that was never written: %s", row)
		}
	}
	require.EqualValues(t, report.LostRows, lost)
	require.Equal(t, len(before), kept+halves+lost, "the old epoch has no holes")
	require.GreaterOrEqual(t, orphans, 1, "at least the request that was left open")

	next := end(t, l, begin(t, l, "new"), "NEW")
	require.EqualValues(t, 100+orphans+1, next)
	require.Equal(t, fmt.Sprintf("2/%d new|NEW", orphans+1), rows(t, l)[len(after)])
	require.NoError(t, l.Close())
	require.Equal(t, len(after)+1, len(rows(t, open(t, o))), "a repaired log opens like any other")
	require.FileExists(t, filepath.Join(o.Dir, "damaged", filepath.Base(segments(t, o.Dir)[2])))
}

func TestRepairFillsTheNumbersOfALostSegment(t *testing.T) {
	t.Parallel()
	o, before := filled(t, 100)
	require.NoError(t, os.Remove(segments(t, o.Dir)[1]))
	l, report := mend(t, o)
	require.Positive(t, report.LostRows)
	after := rows(t, l)
	require.Less(t, len(after), len(before)+10)
	require.Equal(t, before[len(before)-1], after[len(before)-1], "rows behind the hole keep their numbers")
	require.Greater(t, end(t, l, begin(t, l, "new"), "NEW"), uint64(101), "100 rows, an orphan or two, one new")
}

func TestRepairRebuildsHeadersAndTheLogsName(t *testing.T) {
	t.Parallel()
	o, before := filled(t, 100)
	damage(t, segments(t, o.Dir)[1], func(b []byte) []byte { copy(b, "not a segment"); return b })
	require.NoError(t, os.Remove(filepath.Join(o.Dir, "source.json")))
	require.NoError(t, os.WriteFile(filepath.Join(o.Dir, "acked.json"), []byte("{"), 0o600))
	l, report := mend(t, o)
	require.Zero(t, report.LostRows)
	after := rows(t, l)
	require.Equal(t, before, after[len(after)-len(before)-1:len(after)-1], "all rows, and one more for the request left open")
}

func TestRowsAcknowledgedBeyondTheEndAreNoticed(t *testing.T) {
	t.Parallel()
	o, _ := filled(t, 100)
	all := segments(t, o.Dir)
	require.NoError(t, os.WriteFile(filepath.Join(o.Dir, "acked.json"), []byte(`{"epoch":1,"seq":100}`), 0o600))
	damage(t, all[len(all)-1], func(b []byte) []byte { return b[:80] })
	l, report := mend(t, o)
	require.Zero(t, report.LostRows, "the monitor has them")
	require.Greater(t, end(t, l, begin(t, l, "new"), "NEW"), uint64(100), "their numbers are not used again")
}

func TestRepairOfRandomDamageAlwaysEndsInALogThatWorks(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(7, 8))
	for round := range 25 {
		o, before := filled(t, 70)
		all := segments(t, o.Dir)
		for range 1 + rnd.IntN(3) {
			damage(t, all[rnd.IntN(len(all))], func(b []byte) []byte {
				from := rnd.IntN(len(b))
				for i := from; i < min(len(b), from+1+rnd.IntN(300)); i++ {
					b[i] = byte(rnd.Uint32())
				}
				if rnd.IntN(4) == 0 {
					b = b[:from]
				}
				return b
			})
		}
		report, err := wal.Repair(o.Dir)
		require.NoError(t, err, "round %d", round)
		again, err := wal.Repair(o.Dir)
		require.NoError(t, err)
		require.Zero(t, again.Damaged, "round %d: what was repaired is whole", round)
		l, err := wal.Open(o)
		require.NoError(t, err, "round %d", round)
		whole := 0
		for _, row := range rows(t, l) {
			if strings.HasPrefix(row, "1/") && !strings.HasSuffix(row, " lost") {
				whole++
			}
		}
		require.LessOrEqual(t, whole, len(before))
		require.GreaterOrEqual(t, whole+int(report.LostRows), 1)
		end(t, l, begin(t, l, "new"), "NEW")
		require.NoError(t, l.Close())
	}
}

func TestRepairOfAnEmptyFolderSaysSo(t *testing.T) {
	t.Parallel()
	_, err := wal.Repair(t.TempDir())
	require.True(t, fault.Is(err, fault.DataLoss), "%v", err)
}
