package ship_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/backoff"
	"github.com/slipway-ai/slipway/services/gateway/internal/journal"
	"github.com/slipway-ai/slipway/services/gateway/internal/ship"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

// monitor keeps what it is sent as the true one promises to: a gap is refused, what it has is dropped. Its faults are the
// test's: it may die before or after it has stored a batch, and lose its acknowledgements.
type monitor struct {
	monitorv1.UnimplementedIngestServiceServer
	mu      sync.Mutex
	acked   map[string]int64 // by source and epoch
	rows    []string         // epoch/seq id
	dropped int
	crash   func(batch int) (beforeStore, beforeAck bool)
	batches int
	mute    atomic.Bool // stores and does not say so
}

func (m *monitor) Ingest(s grpc.BidiStreamingServer[monitorv1.IngestRequest, monitorv1.IngestResponse]) error {
	for {
		req, err := s.Recv()
		if err != nil {
			return err
		}
		acked, err := m.store(req)
		if err != nil {
			return err
		}
		if m.mute.Load() && len(req.GetRecords()) > 0 {
			continue
		}
		if err := s.Send(&monitorv1.IngestResponse{AckedSeq: acked}); err != nil {
			return err
		}
	}
}

func (m *monitor) store(req *monitorv1.IngestRequest) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := fmt.Sprintf("%s/%d", req.GetSourceId(), req.GetEpoch())
	beforeStore, beforeAck := false, false
	if m.crash != nil && len(req.GetRecords()) > 0 {
		beforeStore, beforeAck = m.crash(m.batches)
		m.batches++
	}
	if beforeStore {
		return 0, fault.New("monitor", fault.Unavailable, "killed before the commit")
	}
	for i, r := range req.GetRecords() {
		seq := req.GetFirstSeq() + int64(i)
		switch {
		case seq <= m.acked[key]:
			m.dropped++
		case seq == m.acked[key]+1:
			m.acked[key] = seq
			m.rows = append(m.rows, fmt.Sprintf("%d/%d %s", req.GetEpoch(), seq, r.GetRequestId()))
		default:
			return 0, fault.New("monitor", fault.FailedPrecondition, "expected %d, got %d", m.acked[key]+1, seq)
		}
	}
	if beforeAck {
		return 0, fault.New("monitor", fault.Unavailable, "killed behind the commit")
	}
	return m.acked[key], nil
}

func (m *monitor) stored() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.rows...)
}

// serve puts the monitor on a network and returns a connection to it and a way to take it down.
func (m *monitor) serve(t *testing.T, network *link.Network) (stop func()) {
	t.Helper()
	l, creds, err := network.Listen("inproc:monitor", link.TLS{})
	require.NoError(t, err)
	s, err := rpc.NewServer(rpc.ServerOptions{Service: "monitor", Log: slog.New(slog.DiscardHandler), Telemetry: telemetry.Discard(), Creds: creds, TrustPeers: true})
	require.NoError(t, err)
	monitorv1.RegisterIngestServiceServer(s, m)
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(l) })
	var once sync.Once
	stop = func() { once.Do(func() { s.Stop(); served.Wait() }) }
	t.Cleanup(stop)
	return stop
}

func dial(t *testing.T, network *link.Network) grpc.ClientConnInterface {
	t.Helper()
	cc, err := network.Dial("inproc:monitor", link.TLS{}, rpc.DialOptions("gateway", telemetry.Discard())...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

func open(t *testing.T, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(journal.Options{WAL: wal.Options{Dir: dir, SegmentBytes: 8 << 10, IDs: id.UUIDv7()}, Clock: clock.System()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func write(t *testing.T, j *journal.Journal, name string) {
	t.Helper()
	ticket, err := j.Begin(&monitorv1.InferenceRecord{RequestId: name, Request: []byte(strings.Repeat("q", 100))})
	require.NoError(t, err)
	require.NoError(t, j.End(ticket, &monitorv1.InferenceRecord{StatusCode: 200}))
}

// start runs a shipper and returns it with a way to stop it.
func start(t *testing.T, j *journal.Journal, monitor grpc.ClientConnInterface) (*ship.Shipper, func()) {
	t.Helper()
	s := ship.New(ship.Options{
		Log: j.Log(), Row: j.Row, Monitor: monitor, Clock: clock.System(), Logger: slog.New(slog.DiscardHandler),
		BatchRows: 16, Linger: time.Millisecond, Backoff: backoff.Backoff{Base: time.Millisecond, Max: 5 * time.Millisecond},
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	var once sync.Once
	stop := func() { once.Do(func() { cancel(); <-done }) }
	t.Cleanup(stop)
	return s, stop
}

func drain(t *testing.T, s *ship.Shipper) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, s.Drain(ctx))
}

func TestRowsArriveInOrderAndAreAcknowledged(t *testing.T) {
	t.Parallel()
	m, network := &monitor{acked: map[string]int64{}}, link.NewNetwork()
	m.serve(t, network)
	j := open(t, t.TempDir())
	s, _ := start(t, j, dial(t, network))
	var want []string
	for i := range 100 {
		write(t, j, fmt.Sprint("r", i))
		want = append(want, fmt.Sprintf("1/%d r%d", i+1, i))
	}
	drain(t, s)
	require.Equal(t, want, m.stored())
	require.Zero(t, j.Log().Stats().Pending)
	require.EqualValues(t, 1, s.Streams())
	require.EqualValues(t, 100, s.Shipped())
	require.Equal(t, 1, j.Log().Stats().Segments, "what is acknowledged is deleted")
}

func TestEveryRowArrivesOnceHoweverTheMonitorDies(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 6))
	m, network := &monitor{acked: map[string]int64{}}, link.NewNetwork()
	m.crash = func(int) (bool, bool) { n := rnd.IntN(6); return n == 0, n == 1 }
	m.serve(t, network)
	j := open(t, t.TempDir())
	s, _ := start(t, j, dial(t, network))
	const n = 600
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := range n / 3 {
				write(t, j, fmt.Sprintf("%d.%d", w, i))
			}
		})
	}
	writers.Wait()
	drain(t, s)
	ids := map[string]int{}
	for i, row := range m.stored() {
		var seq int
		var name string
		_, err := fmt.Sscanf(row, "1/%d %s", &seq, &name)
		require.NoError(t, err)
		require.Equal(t, i+1, seq)
		ids[name]++
	}
	require.Len(t, ids, n, "no row is lost and none doubled")
	require.Greater(t, s.Streams(), uint64(3), "the faults were felt")
}

func TestAMonitorThatIsAwayIsWaitedFor(t *testing.T) {
	t.Parallel()
	m, network := &monitor{acked: map[string]int64{}}, link.NewNetwork()
	j := open(t, t.TempDir())
	s, _ := start(t, j, dial(t, network))
	write(t, j, "early")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(context.DeadlineExceeded)
	require.True(t, fault.Is(s.Drain(ctx), fault.DeadlineExceeded))
	stop := m.serve(t, network)
	drain(t, s)
	stop()
	write(t, j, "late")
	m.serve(t, network)
	drain(t, s)
	require.Equal(t, []string{"1/1 early", "1/2 late"}, m.stored())
}

func TestWhatTheMonitorHasIsNotSentAgain(t *testing.T) {
	t.Parallel()
	m, network := &monitor{acked: map[string]int64{}}, link.NewNetwork()
	m.mute.Store(true)
	stopMonitor := m.serve(t, network)
	j := open(t, t.TempDir())
	cc := dial(t, network)
	s, stop := start(t, j, cc)
	for i := range 40 {
		write(t, j, fmt.Sprint(i))
	}
	require.Eventually(t, func() bool { return len(m.stored()) == 40 }, 10*time.Second, time.Millisecond)
	require.EqualValues(t, 40, j.Log().Stats().Pending, "no acknowledgement came")
	stop()
	stopMonitor()
	m.mute.Store(false)
	m.serve(t, network)
	again, _ := start(t, j, cc)
	drain(t, again)
	require.Zero(t, again.Shipped(), "the first answer of the stream said it all")
	require.Zero(t, m.dropped)
	require.EqualValues(t, 40, s.Shipped())
}

func TestARepairedLogShipsItsHolesAndThenItsNextEpoch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir)
	for i := range 100 {
		write(t, j, fmt.Sprint("old", i))
	}
	require.NoError(t, j.Close())
	segments, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	require.NoError(t, err)
	content, err := os.ReadFile(segments[1])
	require.NoError(t, err)
	copy(content[3000:], strings.Repeat("damage", 60))
	require.NoError(t, os.WriteFile(segments[1], content, 0o600))
	report, err := wal.Repair(dir)
	require.NoError(t, err)
	require.Positive(t, report.LostRows)

	j = open(t, dir)
	m, network := &monitor{acked: map[string]int64{}}, link.NewNetwork()
	m.serve(t, network)
	s, _ := start(t, j, dial(t, network))
	write(t, j, "new")
	drain(t, s)
	rows := m.stored()
	first, second := 0, 0
	for _, row := range rows {
		if strings.HasPrefix(row, "1/") {
			first++
		} else {
			second++
		}
	}
	require.Equal(t, 100, first, "the old epoch has no holes: lost rows say so")
	require.Contains(t, rows[len(rows)-1], " new")
	require.Equal(t, second, int(j.Log().Stats().Logged)-100)
}

func TestALogThatWasSetBackIsNotShipped(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	write(t, j, "one")
	m, network := &monitor{acked: map[string]int64{j.Log().Source() + "/1": 50}}, link.NewNetwork()
	m.serve(t, network)
	s, stop := start(t, j, dial(t, network))
	require.Eventually(t, func() bool { return s.Streams() > 2 }, 10*time.Second, time.Millisecond)
	stop()
	require.Empty(t, m.stored())
	require.EqualValues(t, 1, j.Log().Stats().Pending, "the row waits for a person")
}
