package wal_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

func options(dir string) wal.Options {
	return wal.Options{
		Dir: dir, SegmentBytes: 4 << 10, CapBytes: 1 << 20, SyncInterval: time.Millisecond, IDs: id.UUIDv7(),
		Log: slog.New(slog.DiscardHandler),
		Orphan: func(begin []byte, uncertain bool) []byte {
			return fmt.Appendf(nil, "orphan of %s, uncertain %t", begin, uncertain)
		},
	}
}

func open(t *testing.T, o wal.Options) *wal.Log {
	t.Helper()
	l, err := wal.Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func record(l *wal.Log, text string) *wal.Record {
	r := l.Record()
	r.Append([]byte(text)...)
	return r
}

func begin(t *testing.T, l *wal.Log, text string) wal.Ticket {
	t.Helper()
	ticket, err := l.Begin(record(l, text))
	require.NoError(t, err)
	return ticket
}

func end(t *testing.T, l *wal.Log, ticket wal.Ticket, text string) uint64 {
	t.Helper()
	seq, err := l.End(ticket, record(l, text), wal.Strict)
	require.NoError(t, err)
	return seq
}

// rows reads everything behind the last acknowledged row, as "epoch/seq begin|end".
func rows(t *testing.T, l *wal.Log) []string {
	t.Helper()
	r := l.ReadPending()
	defer r.Close()
	var found []string
	for {
		row, ok, err := r.TryNext()
		require.NoError(t, err)
		if !ok {
			return found
		}
		if row.Lost {
			found = append(found, fmt.Sprintf("%d/%d lost", row.Epoch, row.Seq))
			continue
		}
		found = append(found, fmt.Sprintf("%d/%d %s|%s", row.Epoch, row.Seq, row.Begin, row.End))
	}
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	require.NoError(t, err)
	return found
}

func TestARowCarriesWhatBeginAndEndWrote(t *testing.T) {
	t.Parallel()
	l := open(t, options(t.TempDir()))
	one, two := begin(t, l, "one"), begin(t, l, "two")
	require.EqualValues(t, 1, end(t, l, two, "TWO"))
	seq, err := l.Whole(record(l, "refused"), wal.Strict)
	require.NoError(t, err)
	require.EqualValues(t, 2, seq)
	require.EqualValues(t, 3, end(t, l, one, "ONE"))
	require.Equal(t, []string{"1/1 two|TWO", "1/2 |refused", "1/3 one|ONE"}, rows(t, l))

	s := l.Stats()
	require.EqualValues(t, 3, s.Admitted)
	require.EqualValues(t, 3, s.Logged)
	require.EqualValues(t, 3, s.Pending)
	require.Zero(t, s.Open)
}

func TestATicketIsClosedOnce(t *testing.T) {
	t.Parallel()
	l := open(t, options(t.TempDir()))
	ticket := begin(t, l, "a")
	end(t, l, ticket, "A")
	_, err := l.End(ticket, record(l, "again"), wal.Strict)
	require.True(t, fault.Is(err, fault.Internal), "%v", err)
	require.EqualValues(t, 1, l.Stats().Logged)
}

func TestTheLogIsTheSameAfterItWasClosed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, options(dir))
	source := l.Source()
	for i := range 200 { // several segments
		end(t, l, begin(t, l, fmt.Sprint("b", i)), strings.Repeat("e", 60))
	}
	before := rows(t, l)
	require.Len(t, before, 200)
	require.Greater(t, len(segments(t, dir)), 3)
	require.NoError(t, l.Ack(20))
	require.NoError(t, l.Close())
	_, err := l.Begin(record(l, "late"))
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)

	l = open(t, options(dir))
	require.Equal(t, source, l.Source())
	require.Equal(t, before[20:], rows(t, l))
	s := l.Stats()
	require.EqualValues(t, 200, s.Admitted)
	require.EqualValues(t, 20, s.Acked)
	require.EqualValues(t, 180, s.Pending)
	require.EqualValues(t, 201, end(t, l, begin(t, l, "next"), "NEXT"))
}

func TestARequestOfADeadProcessGetsItsEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, options(dir))
	begin(t, l, "first")
	end(t, l, begin(t, l, "second"), "SECOND")
	begin(t, l, "third")
	require.NoError(t, l.Close())

	l = open(t, options(dir))
	require.Equal(t, []string{
		"1/1 second|SECOND",
		"1/2 first|orphan of first, uncertain false",
		"1/3 third|orphan of third, uncertain false",
	}, rows(t, l))
	require.Equal(t, 2, l.Stats().Recovered)
	require.Zero(t, l.Stats().Open)
}

func TestSegmentsGoWhenNobodyNeedsThem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, options(dir))
	old := begin(t, l, "long running")
	var last uint64
	fill := func() {
		for range 100 {
			last = end(t, l, begin(t, l, "b"), strings.Repeat("e", 100))
		}
	}
	fill()
	require.NoError(t, l.Ack(last))
	require.FileExists(t, filepath.Join(dir, "0000000001.wal"), "an open request lies in the first segment")

	last = end(t, l, old, "done")
	fill()
	require.NoError(t, l.Ack(last-101))
	require.FileExists(t, filepath.Join(dir, "0000000001.wal"), "a row that is not acknowledged refers to the first segment")
	require.NoError(t, l.Ack(last))
	require.Len(t, segments(t, dir), 1)
	require.Equal(t, 1, l.Stats().Segments)
	bytes := l.Stats().Bytes
	require.NoError(t, l.Close())
	info, err := os.Stat(segments(t, dir)[0])
	require.NoError(t, err)
	require.Equal(t, info.Size(), bytes, "a closed log leaves no room behind")
	require.NoError(t, os.Remove(filepath.Join(dir, "acked.json")))
	l = open(t, options(dir))
	require.EqualValues(t, 201, l.Stats().Admitted, "the counts do not depend on the segments that are gone")
	require.Positive(t, l.Stats().Acked, "nor does the knowledge that their rows were acknowledged")
}

func TestAnAcknowledgementOfWhatWasNeverShippedIsRefused(t *testing.T) {
	t.Parallel()
	l := open(t, options(t.TempDir()))
	end(t, l, begin(t, l, "a"), "A")
	require.True(t, fault.Is(l.Ack(2), fault.Invalid))
	require.NoError(t, l.Ack(1))
	require.NoError(t, l.Ack(1))
	require.Zero(t, l.Stats().Pending)
}

func TestAFullLogRefusesRequestsButNotTheirEnds(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.CapBytes = 32 << 10
	l := open(t, o)
	held := begin(t, l, "held")
	var seen []wal.Level
	var tickets []wal.Ticket
	for {
		ticket, err := l.Begin(record(l, strings.Repeat("x", 1000)))
		if err != nil {
			require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
			require.Positive(t, fault.RetryAfter(err))
			break
		}
		tickets = append(tickets, ticket)
		if level := l.Level(); len(seen) == 0 || seen[len(seen)-1] != level {
			seen = append(seen, level)
		}
	}
	require.Equal(t, []wal.Level{wal.Calm, wal.Warn, wal.Shed}, seen)
	_, err := l.Whole(record(l, strings.Repeat("x", 1000)), wal.Strict)
	require.True(t, fault.Is(err, fault.Unavailable))
	require.EqualValues(t, 2, l.Stats().Refused)

	var last uint64
	for _, ticket := range append(tickets, held) {
		last = end(t, l, ticket, "an END is always taken")
	}
	require.Equal(t, wal.Full, l.Level())
	require.NoError(t, l.Ack(last))
	require.Equal(t, wal.Calm, l.Level())
	begin(t, l, "welcome again")
}

func TestOneProcessWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, options(dir))
	_, err := wal.Open(options(dir))
	require.True(t, fault.Is(err, fault.FailedPrecondition), "%v", err)
	_, err = wal.Repair(dir)
	require.True(t, fault.Is(err, fault.FailedPrecondition), "%v", err)
	require.NoError(t, l.Close())
	open(t, options(dir))
}

func TestAReaderWaitsForRowsAndFollowsDeletion(t *testing.T) {
	t.Parallel()
	l := open(t, options(t.TempDir()))
	const n = 500
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range n / 4 {
				end(t, l, begin(t, l, fmt.Sprintf("%d-%d", w, i)), strings.Repeat("e", i))
			}
		})
	}
	r := l.ReadPending()
	defer r.Close()
	seen := map[string]bool{}
	for want := uint64(1); want <= n; want++ {
		row, err := r.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, row.Seq)
		seen[string(row.Begin)] = true
		if want%50 == 0 {
			require.NoError(t, l.Ack(want))
		}
	}
	writers.Wait()
	require.Len(t, seen, n)
	require.Zero(t, l.Stats().Pending)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
	done := make(chan error, 1)
	go func() {
		_, err := r.Next(t.Context())
		done <- err
	}()
	require.NoError(t, l.Close())
	require.True(t, fault.Is(<-done, fault.Unavailable))
}

func TestALeanRowIsReadSoonAfterwards(t *testing.T) {
	t.Parallel()
	l := open(t, options(t.TempDir()))
	_, err := l.End(begin(t, l, "a"), record(l, "A"), wal.Lean)
	require.NoError(t, err)
	r := l.ReadPending()
	defer r.Close()
	row, err := r.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, "A", string(row.End))
}

func TestARecordLargerThanASegmentHasOneOfItsOwn(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	l := open(t, o)
	big := strings.Repeat("prompt ", 100<<10/7)
	end(t, l, begin(t, l, big), big)
	end(t, l, begin(t, l, "small"), "SMALL")
	require.Equal(t, []string{"1/1 " + big + "|" + big, "1/2 small|SMALL"}, rows(t, l))
	require.NoError(t, l.Close())
	require.Len(t, rows(t, open(t, o)), 2)
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*wal.Options){
		"no directory":     func(o *wal.Options) { o.Dir = "" },
		"tiny segments":    func(o *wal.Options) { o.SegmentBytes = 10 },
		"huge segments":    func(o *wal.Options) { o.SegmentBytes = 3 << 30 },
		"a budget too low": func(o *wal.Options) { o.CapBytes = 5 << 10 },
		"no id source":     func(o *wal.Options) { o.IDs = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t.TempDir())
			change(&o)
			_, err := wal.Open(o)
			require.Error(t, err)
		})
	}
	o := wal.Options{Dir: t.TempDir(), IDs: id.UUIDv7(), Orphan: options("x").Orphan}
	require.EqualValues(t, 4<<30, open(t, o).Stats().CapBytes)
}
