package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
	"github.com/slipway-ai/slipway/services/monitor/internal/ingest"
)

// shaky is a store whose commits a test disturbs.
type shaky struct {
	delta.Store
	mu     sync.Mutex
	before func(key string) error
	after  func(key string) error
}

func (s *shaky) set(before, after func(key string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

func (s *shaky) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	s.mu.Lock()
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(key); err != nil {
			return err
		}
	}
	err := s.Store.PutIfAbsent(ctx, key, data)
	if err == nil && after != nil {
		return after(key)
	}
	return err
}

func newStore(t testing.TB) *shaky {
	t.Helper()
	l, err := delta.NewLocal(t.TempDir())
	require.NoError(t, err)
	return &shaky{Store: l}
}

func openTable(t testing.TB, s delta.Store) *delta.Table {
	t.Helper()
	table, err := delta.OpenOrCreate(t.Context(), s, inference.Spec(), inference.TableOptions())
	require.NoError(t, err)
	return table
}

// start runs a writer until the test ends or stop is called, as a crash would:
// without draining.
func start(t testing.TB, s delta.Store, change func(*ingest.Options)) (w *ingest.Writer, stop func()) {
	t.Helper()
	o := ingest.Options{FlushEvery: time.Millisecond, Clock: clock.System(), Log: slog.New(slog.DiscardHandler), Limits: inference.DefaultLimits()}
	if change != nil {
		change(&o)
	}
	w = ingest.NewWriter(openTable(t, s), o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); require.NoError(t, <-done) }) }
	t.Cleanup(stop)
	return w, stop
}

func open(t testing.TB, w *ingest.Writer, source string, epoch int64) *ingest.Stream {
	t.Helper()
	s, err := w.Open(t.Context(), ingest.Key{Source: source, Epoch: epoch})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func acked(t testing.TB, s *ingest.Stream) int64 {
	t.Helper()
	seq, _, _, err := s.Acked()
	require.NoError(t, err)
	return seq
}

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// records makes the records first to last of a log.
func records(source string, first, last int64) []*inference.Record {
	var out []*inference.Record
	for i := first; i <= last; i++ {
		out = append(out, &inference.Record{
			RequestID: fmt.Sprintf("%s-%06d", source, i), RequestTime: noon.Add(time.Duration(i) * time.Second),
			Endpoint: fmt.Sprint("e", i%3), StatusCode: 200, TrafficBucket: -1, Request: `{"messages":[{"role":"user","content":"hello there"}]}`,
		})
	}
	return out
}

// requireRows reads the table with a reader of its own and checks that it holds
// records 1 to last of each log, once each.
func requireRows(t testing.TB, s delta.Store, want map[ingest.Key]int64) {
	t.Helper()
	table, err := delta.Open(t.Context(), s, delta.Options{})
	require.NoError(t, err)
	seen := map[ingest.Key]map[int64]int{}
	for p, err := range table.Scan(t.Context(), table.Snapshot(), delta.Query{Columns: []string{inference.ColSource, inference.ColEpoch, inference.ColSeq}}) {
		require.NoError(t, err)
		for i := range p.Rows() {
			k := ingest.Key{Source: p.Column(inference.ColSource).Strings[i], Epoch: p.Column(inference.ColEpoch).Ints[i]}
			if seen[k] == nil {
				seen[k] = map[int64]int{}
			}
			seen[k][p.Column(inference.ColSeq).Ints[i]]++
		}
	}
	require.Len(t, seen, len(want))
	for k, last := range want {
		require.Len(t, seen[k], int(last), k)
		for seq, n := range seen[k] {
			require.Equal(t, 1, n, "%v record %d", k, seq)
			require.True(t, seq >= 1 && seq <= last, "%v record %d", k, seq)
		}
		txn, _ := table.Snapshot().Txn(k.AppID())
		require.Equal(t, last, txn.Version)
	}
}

func key(source string, epoch int64) ingest.Key { return ingest.Key{Source: source, Epoch: epoch} }

func TestRecordsAreAcknowledgedAfterTheCommitThatHoldsThem(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	gate := make(chan struct{})
	w, _ := start(t, store, nil)
	store.set(func(string) error { <-gate; return nil }, nil)
	s := open(t, w, "gw", 1)
	require.NoError(t, s.Put(t.Context(), 1, records("gw", 1, 50)))
	require.Zero(t, acked(t, s), "nothing is durable yet")
	flushed := make(chan error, 1)
	go func() { flushed <- s.Flush(t.Context()) }()
	close(gate)
	require.NoError(t, <-flushed)
	require.EqualValues(t, 50, acked(t, s))
	requireRows(t, store, map[ingest.Key]int64{key("gw", 1): 50})
}

func TestOneCommitTakesTheRecordsOfAllLogs(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	fake := clock.NewFake(noon)
	w, _ := start(t, store, func(o *ingest.Options) { o.Clock, o.FlushEvery = fake, time.Second })
	var streams []*ingest.Stream
	for i := range 5 {
		s := open(t, w, fmt.Sprint("gw", i), 9)
		require.NoError(t, s.Put(t.Context(), 1, records(fmt.Sprint("gw", i), 1, 10)))
		streams = append(streams, s)
	}
	fake.Await(1)
	fake.Advance(time.Second)
	want := map[ingest.Key]int64{}
	for i, s := range streams {
		testkit.Eventually(t, testkit.Patience, func() bool { return acked(t, s) == 10 }, "acknowledged")
		seq, version, _, err := s.Acked()
		require.NoError(t, err)
		require.EqualValues(t, 10, seq)
		require.EqualValues(t, 1, version)
		want[key(fmt.Sprint("gw", i), 9)] = 10
	}
	requireRows(t, store, want)
}

func TestAFullLineIsCommittedBeforeItsTime(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*ingest.Options){
		"rows":  func(o *ingest.Options) { o.FlushRows = 20 },
		"bytes": func(o *ingest.Options) { o.FlushBytes = 20 << 10 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newStore(t)
			w, _ := start(t, store, func(o *ingest.Options) { o.FlushEvery = time.Hour; change(o) })
			s := open(t, w, "gw", 1)
			require.NoError(t, s.Put(t.Context(), 1, records("gw", 1, 25)))
			testkit.Eventually(t, testkit.Patience, func() bool { return acked(t, s) == 25 }, "committed")
		})
	}
}

func TestRecordsSentAgainAreDroppedAndOverlapsCut(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	w, _ := start(t, store, nil)
	s := open(t, w, "gw", 1)
	for _, span := range [][2]int64{{1, 10}, {1, 10}, {5, 12}, {3, 3}, {13, 13}, {1, 20}} {
		require.NoError(t, s.Put(t.Context(), span[0], records("gw", span[0], span[1])))
	}
	require.NoError(t, s.Flush(t.Context()))
	other := open(t, w, "gw", 1) // the sender came back on a new connection
	require.EqualValues(t, 20, acked(t, other))
	require.NoError(t, other.Put(t.Context(), 19, records("gw", 19, 30)))
	require.NoError(t, s.Put(t.Context(), 25, records("gw", 25, 31)))
	require.NoError(t, s.Flush(t.Context()))
	requireRows(t, store, map[ingest.Key]int64{key("gw", 1): 31})
}

func TestAGapIsRefusedWithTheNumberThatIsMissing(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	w, _ := start(t, store, nil)
	s := open(t, w, "gw", 1)
	require.NoError(t, s.Put(t.Context(), 1, records("gw", 1, 4)))
	var gap *ingest.GapError
	require.ErrorAs(t, s.Put(t.Context(), 6, records("gw", 6, 8)), &gap)
	require.Equal(t, ingest.GapError{Expected: 5, Got: 6}, *gap)
	require.True(t, fault.Is(s.Put(t.Context(), 0, records("gw", 0, 1)), fault.Invalid))
	require.NoError(t, s.Put(t.Context(), 5, records("gw", 5, 8)))
	require.NoError(t, s.Flush(t.Context()))
	requireRows(t, store, map[ingest.Key]int64{key("gw", 1): 8})
}

func TestSendersWaitWhileTooMuchIsWaiting(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	gate := make(chan struct{})
	reg := prometheus.NewRegistry()
	metrics, err := ingest.NewMetrics(reg)
	require.NoError(t, err)
	w, _ := start(t, store, func(o *ingest.Options) {
		o.FlushBytes, o.MaxPending, o.Metrics = 64<<10, 128<<10, metrics
	})
	store.set(func(string) error { <-gate; return nil }, nil)
	s := open(t, w, "gw", 1)
	put := make(chan int64, 100)
	go func() {
		for first := int64(1); first <= 1000; first += 50 {
			if err := s.Put(t.Context(), first, records("gw", first, first+49)); err != nil {
				t.Error(err)
			}
			put <- first
		}
		close(put)
	}()
	// Two batches of 50 KiB and a bit fit; the third must wait.
	require.EqualValues(t, 1, <-put)
	require.EqualValues(t, 51, <-put)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	blocked := open(t, w, "other", 1)
	require.ErrorIs(t, blocked.Put(ctx, 1, records("other", 1, 100)), context.DeadlineExceeded)
	require.Empty(t, put)
	close(gate)
	for range put { //nolint:revive // until the sender is through
	}
	require.NoError(t, s.Flush(t.Context()))
	requireRows(t, store, map[ingest.Key]int64{key("gw", 1): 1000})
	require.Zero(t, gaugeOf(t, reg, "slipway_monitor_ingest_pending_bytes"))
}

func gaugeOf(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestAnEntryLargerThanAllRoomGetsThroughAlone(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	w, _ := start(t, store, func(o *ingest.Options) { o.FlushBytes, o.MaxPending = 1<<10, 2<<10 })
	s := open(t, w, "gw", 1)
	big := records("gw", 1, 1)
	big[0].Request = strings.Repeat("x", 1<<20)
	require.NoError(t, s.Put(t.Context(), 1, big))
	require.NoError(t, s.Put(t.Context(), 2, records("gw", 2, 2)))
	require.NoError(t, s.Flush(t.Context()))
	requireRows(t, store, map[ingest.Key]int64{key("gw", 1): 2})
}

func TestAFailedCommitIsTriedUntilItSucceedsAndShowsInReadiness(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	fake := clock.NewFake(noon)
	w, _ := start(t, store, func(o *ingest.Options) { o.Clock = fake })
	full := errors.New("disk full")
	failed := testkit.NewSignal[string]()
	store.set(func(key string) error { failed.Fire(key); return full }, nil)
	s := open(t, w, "gw", 1)
	require.NoError(t, s.Put(t.Context(), 1, records("gw", 1, 7)))
	for range 4 {
		fake.Await(1)
		fake.Advance(time.Minute)
	}
	for range 3 {
		failed.Wait(t)
	}
	testkit.Eventually(t, testkit.Patience, func() bool { return fault.Is(w.Ready(), fault.Unavailable) }, "not ready")
	require.Zero(t, acked(t, s))
	store.set(nil, nil)
	testkit.Eventually(t, testkit.Patience, func() bool { fake.Advance(time.Minute); return acked(t, s) == 7 }, "committed at last")
	require.NoError(t, w.Ready())
	requireRows(t, store, map[ingest.Key]int64{key("gw", 1): 7})
}

func TestACommitWhoseAnswerIsLostDoublesNothing(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	w, _ := start(t, store, nil)
	var once sync.Once
	store.set(nil, func(string) (err error) {
		once.Do(func() { err = errors.New("timeout after the fact") })
		return err
	})
	s := open(t, w, "gw", 1)
	require.NoError(t, s.Put(t.Context(), 1, records("gw", 1, 9)))
	require.NoError(t, s.Flush(t.Context()))
	requireRows(t, store, map[ingest.Key]int64{key("gw", 1): 9})
}

func TestTwoProcessesThatReceiveOneLogStoreItOnce(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	a, _ := start(t, store, nil)
	b, _ := start(t, store, nil)
	sa, sb := open(t, a, "gw", 1), open(t, b, "gw", 1)
	// The sender times out on a and sends all again to b, more than once.
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		from := map[*ingest.Stream]int64{}
		for _, s := range []*ingest.Stream{sa, sb} {
			from[s] = acked(t, s) + 1
		}
		first := min(from[sa], from[sb])
		last := first + rnd.Int64N(20)
		for _, s := range []*ingest.Stream{sa, sb} {
			err := s.Put(t.Context(), first, records("gw", first, last))
			if err == nil {
				err = s.Flush(t.Context())
			}
			if err != nil {
				require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
				continue
			}
		}
		if _, _, _, err := sa.Acked(); err != nil {
			sa = open(t, a, "gw", 1)
		}
		if _, _, _, err := sb.Acked(); err != nil {
			sb = open(t, b, "gw", 1)
		}
	}
	fresh := openTable(t, store)
	txn, _ := fresh.Snapshot().Txn(key("gw", 1).AppID())
	require.Greater(t, txn.Version, int64(40))
	requireRows(t, store, map[ingest.Key]int64{key("gw", 1): txn.Version})
}

func TestANewProcessGoesOnWhereTheTableStands(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	const target = 600
	rnd := rand.New(rand.NewPCG(3, 4))
	for last := int64(0); last < target; {
		w, stop := start(t, store, nil)
		s := open(t, w, "gw", 1)
		begin := acked(t, s)
		require.GreaterOrEqual(t, begin, last, "an acknowledged record is durable")
		end := min(begin+1+rnd.Int64N(80), target)
		require.NoError(t, s.Put(t.Context(), begin+1, records("gw", begin+1, end)))
		if rnd.IntN(3) > 0 {
			require.NoError(t, s.Flush(t.Context()))
		}
		last = acked(t, s)
		stop() // no drain: what waits is gone, as in a crash
	}
	requireRows(t, store, map[ingest.Key]int64{key("gw", 1): target})
}

func TestDrainCommitsWhatWaitsAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	w, _ := start(t, store, func(o *ingest.Options) { o.FlushEvery = time.Hour })
	s := open(t, w, "gw", 1)
	require.NoError(t, s.Put(t.Context(), 1, records("gw", 1, 33)))
	require.NoError(t, w.Drain(t.Context()))
	require.EqualValues(t, 33, acked(t, s))
	require.True(t, fault.Is(s.Put(t.Context(), 34, records("gw", 34, 34)), fault.Unavailable))
	_, err := w.Open(t.Context(), key("gw", 2))
	require.True(t, fault.Is(err, fault.Unavailable))
	requireRows(t, store, map[ingest.Key]int64{key("gw", 1): 33})
	require.Zero(t, w.Pending())
}

func TestDeliveriesAreToldOnceEach(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	told := testkit.NewSignal[[]ingest.Delivery]()
	w, _ := start(t, store, func(o *ingest.Options) {
		o.FlushEvery = time.Hour
		o.Notes = func(_ context.Context, ds []ingest.Delivery) error { told.Fire(ds); return errors.New("nobody home") }
	})
	s := open(t, w, "gw", 1)
	rs := records("gw", 1, 5)
	rs[2].Requester = "\xff"
	require.NoError(t, s.Put(t.Context(), 1, rs))
	require.NoError(t, s.Put(t.Context(), 1, records("gw", 1, 2)))
	require.Error(t, s.Put(t.Context(), 9, records("gw", 9, 9)))
	require.NoError(t, s.Flush(t.Context()))
	require.Equal(t, []ingest.Delivery{{Key: key("gw", 1), AckedSeq: 5, TableVersion: 1, Rows: 5, Duplicates: 2, Gaps: 1, Sanitised: 1}}, told.Wait(t))
	require.NoError(t, s.Put(t.Context(), 6, records("gw", 6, 6)))
	require.NoError(t, s.Flush(t.Context()))
	require.Equal(t, []ingest.Delivery{{Key: key("gw", 1), AckedSeq: 6, TableVersion: 2, Rows: 1}}, told.Wait(t))
}

func TestApplicationIdsNameALog(t *testing.T) {
	t.Parallel()
	for _, k := range []ingest.Key{key("gw", 1), key("a/b", -7), key("x", 0), key("ü/1", 9_000_000_000)} {
		got, ok := ingest.ParseAppID(k.AppID())
		require.True(t, ok)
		require.Equal(t, k, got)
	}
	for _, id := range []string{"", "gw", "/1", "gw/", "gw/x", "gw/01", "gw/+1"} {
		_, ok := ingest.ParseAppID(id)
		require.False(t, ok, id)
	}
}

// BenchmarkPut is small records of one sender through Prepare, file and commit.
func BenchmarkPut(b *testing.B) {
	store := newStore(b)
	w, _ := start(b, store, func(o *ingest.Options) { o.FlushEvery = 500 * time.Millisecond })
	s := open(b, w, "gw", 1)
	const n = 500
	next := int64(1)
	for b.Loop() {
		if err := s.Put(b.Context(), next, records("gw", next, next+n-1)); err != nil {
			b.Fatal(err)
		}
		next += n
	}
	if err := s.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(next-1)/b.Elapsed().Seconds(), "rows/s")
}
