package monitor_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/ingest"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

// process is the service as a child that can be killed.
type process struct {
	data, socket string
	mu           sync.Mutex
	cmd          *exec.Cmd
}

func (p *process) run(t testing.TB) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "--listen", "unix:"+p.socket, "--set", "data="+p.data, "--set", "peers.registry=unix:/nowhere",
		"--set", "monitor.ingest.flush_interval=5ms", "--set", "monitor.table.checkpoint_every=20", "--set", "monitor.table.compact_every=30ms", "--set", "telemetry.log_level=error")
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stderr = os.Stderr
	p.mu.Lock()
	defer p.mu.Unlock()
	require.NoError(t, cmd.Start())
	p.cmd = cmd
}

// kill ends the child as a power cut would, as far as a process can be cut.
func (p *process) kill(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.NoError(t, p.cmd.Process.Kill())
	_ = p.cmd.Wait() // killed: that is the point
}

// sender is a request log that is shipped as the gateway ships it: everything it
// has, from the last acknowledgement on, for as long as it takes.
type sender struct {
	source string
	epoch  int64
	total  int64
	acked  atomic.Int64
	client monitorv1.IngestServiceClient
}

func (s *sender) ship(ctx context.Context, t testing.TB) {
	for s.acked.Load() < s.total && ctx.Err() == nil {
		s.stream(ctx, t)
	}
}

// window is how far a sender runs ahead of the acknowledgements: little, so that
// there are many commits to be killed in.
const window = 150

// stream is one connection, until it breaks or all is acknowledged.
func (s *sender) stream(ctx context.Context, t testing.TB) {
	ctx, cancel := context.WithCancel(gateway(ctx))
	defer cancel()
	stream, err := s.client.Ingest(ctx, grpc.WaitForReady(true))
	if err != nil {
		return
	}
	if err := stream.Send(&monitorv1.IngestRequest{SourceId: s.source, Epoch: s.epoch}); err != nil {
		return
	}
	hello, err := stream.Recv()
	if err != nil {
		return
	}
	if have := hello.GetAckedSeq(); have < s.acked.Load() {
		t.Errorf("log %s was acknowledged up to %d and is there up to %d", s.source, s.acked.Load(), have)
		cancel()
		return
	}
	s.acked.Store(hello.GetAckedSeq())
	moved := make(chan struct{}, 1)
	go func() { // send on while acknowledgements come
		rnd := rand.New(rand.NewPCG(uint64(hello.GetAckedSeq()), 1))
		for next := hello.GetAckedSeq() + 1; next <= s.total; {
			for next > s.acked.Load()+window {
				select {
				case <-moved:
				case <-ctx.Done():
					return
				}
			}
			last := min(next+rnd.Int64N(40), s.total)
			if stream.Send(&monitorv1.IngestRequest{SourceId: s.source, Epoch: s.epoch, FirstSeq: next, Records: batch(s.source, next, last)}) != nil {
				return
			}
			next = last + 1
		}
		_ = stream.CloseSend()
	}()
	for {
		ack, err := stream.Recv()
		if err != nil {
			return
		}
		s.acked.Store(max(s.acked.Load(), ack.GetAckedSeq()))
		select {
		case moved <- struct{}{}:
		default:
		}
	}
}

// impatient comes back at once, so that the test is about the kills and not about
// the pauses between them.
var impatient = grpc.WithConnectParams(grpc.ConnectParams{
	Backoff: backoff.Config{BaseDelay: 5 * time.Millisecond, Multiplier: 1.2, MaxDelay: 50 * time.Millisecond}, MinConnectTimeout: time.Second,
})

func TestAServiceKilledAtAnyMomentLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	const kills, total = 25, 15_000
	dir, err := os.MkdirTemp("", "slipway-kill") // a socket's path must be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &process{data: filepath.Join(dir, "data"), socket: filepath.Join(dir, "s")}
	p.run(t)
	conn, err := link.NewNetwork().Dial("unix:"+p.socket, link.TLS{}, append(rpc.DialOptions("gateway", telemetry.Discard()), impatient)...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	senders := []*sender{{source: "gw-a", epoch: 1, total: total}, {source: "gw-b", epoch: 3, total: total}}
	var shipping sync.WaitGroup
	for _, s := range senders {
		s.client = monitorv1.NewIngestServiceClient(conn)
		shipping.Go(func() { s.ship(ctx, t) })
	}
	acked := func() (n int64) {
		for _, s := range senders {
			n += s.acked.Load()
		}
		return n
	}
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 7)) // every run kills elsewhere
	for k := range kills {
		// A share of the whole after each start, so that kills are spread over all of
		// it, and then some random part of what a commit takes.
		goal := int64(k+1) * 2 * total / (kills + 2)
		testkit.Eventually(t, time.Minute, func() bool { return acked() >= goal || t.Failed() }, "kill %d: %d of %d acknowledged", k, acked(), goal)
		timer := time.NewTimer(time.Duration(rnd.Int64N(int64(12 * time.Millisecond))))
		<-timer.C
		p.kill(t)
		p.run(t)
	}
	shipping.Wait()
	require.EqualValues(t, 2*total, acked())
	p.kill(t)
	requireLog(t, p.data, map[ingest.Key]int64{{Source: "gw-a", Epoch: 1}: total, {Source: "gw-b", Epoch: 3}: total})
}
