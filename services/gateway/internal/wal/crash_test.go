package wal_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

// tail is a log whose last segment ends in records that were written and not synced.
type tail struct {
	dir      string
	segment  string
	content  []byte
	synced   int64 // length of the file when the last strict append returned
	promised []string
}

// makeTail writes rows strictly, then some lean, and keeps the files as a power cut would find them at best.
func makeTail(t *testing.T) tail {
	t.Helper()
	o := options(t.TempDir())
	o.SegmentBytes, o.SyncInterval = 64<<10, time.Hour
	l := open(t, o)
	for i := range 20 {
		end(t, l, begin(t, l, fmt.Sprint("begin ", i)), strings.Repeat("e", i*7))
	}
	kept := tail{dir: o.Dir, promised: rows(t, l), segment: segments(t, o.Dir)[0]}
	kept.synced = l.Stats().Bytes // of one segment: its length without the room behind
	for i := range 5 {
		ticket := begin(t, l, fmt.Sprint("lean ", i))
		if i%2 == 0 {
			_, err := l.End(ticket, record(l, "LEAN"), wal.Lean)
			require.NoError(t, err)
		}
	}
	require.Equal(t, kept.promised, rows(t, l), "a reader sees nothing that is not synced")
	content, err := os.ReadFile(kept.segment)
	require.NoError(t, err)
	require.Greater(t, int64(len(content)), l.Stats().Bytes, "a segment is extended ahead of its records")
	kept.content = content[:l.Stats().Bytes]
	return kept
}

// reopen opens a copy of the tail's directory with another content of the last segment.
func (k tail) reopen(t *testing.T, content []byte) (*wal.Log, error) {
	t.Helper()
	o := options(t.TempDir())
	o.SegmentBytes = 64 << 10
	meta, err := os.ReadFile(filepath.Join(k.dir, "source.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(o.Dir, "source.json"), meta, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(o.Dir, filepath.Base(k.segment)), content, 0o600))
	return wal.Open(o)
}

func TestNoAcknowledgedRowIsLostWhereverTheTailIsCut(t *testing.T) {
	t.Parallel()
	k := makeTail(t)
	for cut := k.synced; cut <= int64(len(k.content)); cut++ {
		l, err := k.reopen(t, k.content[:cut])
		require.NoError(t, err, "cut at %d", cut)
		found := rows(t, l)
		require.NoError(t, l.Close())
		// The same where the file had been extended: the rest is zeros.
		l, err = k.reopen(t, append(append([]byte(nil), k.content[:cut]...), make([]byte, 4096)...))
		require.NoError(t, err, "cut at %d", cut)
		require.Equal(t, found, rows(t, l))
		require.GreaterOrEqual(t, len(found), len(k.promised), "cut at %d", cut)
		require.Equal(t, k.promised, found[:len(k.promised)], "cut at %d", cut)
		require.Zero(t, l.Stats().Open)
		require.Equal(t, l.Stats().Admitted, l.Stats().Logged)
		seq := end(t, l, begin(t, l, "after"), "AFTER")
		require.EqualValues(t, len(found)+1, seq)
		require.NoError(t, l.Close())
	}
}

func TestNoAcknowledgedRowIsLostWhicheverPagesOfTheTailArrived(t *testing.T) {
	t.Parallel()
	k := makeTail(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		content := append([]byte(nil), k.content...)
		unsynced := content[k.synced:]
		from := rnd.IntN(len(unsynced))
		to := from + 1 + rnd.IntN(len(unsynced)-from)
		for i := from; i < to; i++ {
			unsynced[i] = byte(rnd.Uint32() * uint32(round%2)) // zeros in every other round
		}
		if round%3 == 0 {
			content = append(content, make([]byte, rnd.IntN(5000))...)
		}
		l, err := k.reopen(t, content)
		require.NoError(t, err, "round %d: bytes %d to %d", round, from, to)
		found := rows(t, l)
		require.Equal(t, k.promised, found[:len(k.promised)])
		require.NoError(t, l.Close())
	}
}

func TestASegmentWhoseCreationWasCutShortIsMadeAgain(t *testing.T) {
	t.Parallel()
	k := makeTail(t)
	require.NoError(t, os.WriteFile(k.segment, k.content[:k.synced], 0o600))
	for size := range 81 {
		o := options(filepath.Join(t.TempDir(), "copy"))
		require.NoError(t, os.CopyFS(o.Dir, os.DirFS(k.dir)))
		require.NoError(t, os.WriteFile(filepath.Join(o.Dir, "0000000002.wal"), make([]byte, size), 0o600))
		l, err := wal.Open(o)
		require.NoError(t, err, "size %d", size)
		require.Equal(t, k.promised, rows(t, l)[:len(k.promised)])
		require.NoError(t, l.Close())
	}
}

// A request body may hold the bytes of a record: of another log, or of this one as it was written before.
func TestBytesOfARecordInsideAPayloadAreNotARecord(t *testing.T) {
	t.Parallel()
	k := makeTail(t)
	o := options(t.TempDir())
	o.SegmentBytes, o.SyncInterval = 64<<10, time.Hour
	l := open(t, o)
	end(t, l, begin(t, l, "honest"), "HONEST")
	begin(t, l, string(k.content))
	content, err := os.ReadFile(segments(t, o.Dir)[0])
	require.NoError(t, err)
	content = content[:l.Stats().Bytes]
	victim := tail{dir: o.Dir, segment: segments(t, o.Dir)[0], content: content}
	copied, err := victim.reopen(t, content[:len(content)-1])
	require.NoError(t, err, "the forged records do not vouch for the torn one around them")
	require.Len(t, rows(t, copied), 1)
	require.NoError(t, copied.Close())
}

const childEnv = "SLIPWAY_WAL_TEST_CHILD"

// TestMain is also the child process of the kill test: it appends until it is killed and reports what was acknowledged.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		appendForever(dir)
	}
	os.Exit(m.Run())
}

func appendForever(dir string) {
	o := options(dir)
	o.SegmentBytes, o.CapBytes = 16<<10, 1<<30
	l, err := wal.Open(o)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var out sync.Mutex
	say := func(format string, args ...any) {
		out.Lock()
		defer out.Unlock()
		fmt.Printf(format, args...)
	}
	var workers sync.WaitGroup
	for w := range 8 {
		workers.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%d.%d.%d", os.Getpid(), w, i)
				ticket, err := l.Begin(record(l, name))
				if err != nil {
					say("error %v\n", err)
					return
				}
				say("begin %s\n", name)
				// A dead process has lost nothing that it had written: both promises hold against kill -9.
				seq, err := l.End(ticket, record(l, name+strings.Repeat(".", i%500)), wal.Durability(w%2))
				if err != nil {
					say("error %v\n", err)
					return
				}
				say("end %s %d\n", name, seq)
				if w == 0 && i%64 == 63 {
					_ = l.Ack(seq / 2)
				}
			}
		})
	}
	workers.Wait()
	os.Exit(1)
}

func TestKillingTheProcessLosesNothingItHadAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := options(dir)
	o.SegmentBytes, o.CapBytes = 16<<10, 1<<30
	rnd := rand.New(rand.NewPCG(3, 4))
	begun, ended, orphans := map[string]bool{}, map[string]uint64{}, map[string]bool{}
	for round := range 12 {
		runAndKill(t, dir, 100+rnd.IntN(1500), begun, ended)
		l, err := wal.Open(o)
		require.NoError(t, err, "round %d", round)
		checkRound(t, l, begun, ended, orphans)
		require.NoError(t, l.Close())
	}
	require.Greater(t, len(ended), 500)
}

// runAndKill lets a child append until it has reported enough lines, kills it in the middle of the next ones, and notes
// what it reported before it died.
func runAndKill(t *testing.T, dir string, lines int, begun map[string]bool, ended map[string]uint64) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	reports := bufio.NewReader(out)
	for n := 0; ; n++ {
		line, err := reports.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break // a last line without its end was cut by the kill
		}
		require.NoError(t, err)
		switch f := strings.Fields(line); f[0] {
		case "begin":
			begun[f[1]] = true
		case "end":
			ended[f[1]], err = strconv.ParseUint(f[2], 10, 64)
			require.NoError(t, err)
		default:
			t.Fatal(line)
		}
		if n == lines {
			require.NoError(t, child.Process.Kill())
		}
	}
	require.Error(t, child.Wait())
}

// checkRound compares the log with what was reported. Rows that the child had acknowledged may be gone with their segments.
func checkRound(t *testing.T, l *wal.Log, begun map[string]bool, ended map[string]uint64, orphans map[string]bool) {
	t.Helper()
	s := l.Stats()
	require.Equal(t, s.Admitted, s.Logged, "every request has its END")
	require.Equal(t, s.Admitted, s.Acked+s.Pending)
	names := map[string]uint64{}
	r := l.ReadPending()
	defer r.Close()
	for next := s.Acked + 1; ; next++ {
		row, ok, err := r.TryNext()
		require.NoError(t, err)
		if !ok {
			require.Equal(t, s.Logged+1, next)
			break
		}
		require.Equal(t, next, row.Seq, "numbers have no holes")
		name := string(row.Begin)
		require.Zero(t, names[name], "a request has one row")
		names[name] = row.Seq
		if strings.HasPrefix(string(row.End), "orphan of ") {
			orphans[name] = true
			if _, acknowledged := ended[name]; acknowledged {
				t.Fatalf("the acknowledged row of %s was replaced", name)
			}
		}
	}
	for name, seq := range ended {
		if seq > s.Acked {
			require.Equal(t, seq, names[name], "row of %s", name)
		}
	}
	for name := range begun {
		// Its END may have been written while the report of it was not.
		if _, reported := ended[name]; !reported && !orphans[name] && names[name] == 0 {
			t.Fatalf("request %s was admitted and has no row", name)
		}
		delete(begun, name) // the rows of a round may be acknowledged and gone in the next
	}
}

func TestDamageIsNotTakenForATornTail(t *testing.T) {
	t.Parallel()
	k := makeTail(t)
	// Up to the last record that a later one vouches for, every flipped byte is found.
	vouched := k.synced - 200
	for off := int64(0); off < vouched; off++ {
		content := append([]byte(nil), k.content...)
		content[off] ^= 0x40
		l, err := k.reopen(t, content)
		if err == nil {
			_ = l.Close()
		}
		require.True(t, fault.Is(err, fault.DataLoss), "byte %d: %v", off, err)
		require.Contains(t, fault.Text(err), "repair")
	}
}
