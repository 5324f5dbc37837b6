package supervise_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/testkit"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/enginetest"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/supervise"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/worker"
)

// The workers of these tests are this test binary, started again.
func TestMain(m *testing.M) {
	if worker.Main(os.Args[1:]) {
		return
	}
	if os.Getenv(parentEnv) != "" {
		parent()
		return
	}
	os.Exit(m.Run())
}

// bench is an engine under test with everything it announced.
type bench struct {
	*supervise.Engine
	mu     sync.Mutex
	states []supervise.State
}

func (b *bench) saw() []supervise.State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]supervise.State(nil), b.states...)
}

// engine starts one with the tiny model and waits for nothing.
func engine(t *testing.T, change func(*supervise.Options, *worker.Config)) *bench {
	t.Helper()
	b := &bench{}
	dir, err := os.MkdirTemp("", "slipway-supervise-") // t.TempDir is too long for a socket's path
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	self, err := os.Executable()
	require.NoError(t, err)
	spawner := supervise.NewSpawner()
	t.Cleanup(spawner.Close)
	o := supervise.Options{
		Executable: self, Spawner: spawner, Log: slog.New(slog.DiscardHandler), Clock: clock.System(), SocketDir: dir,
		StartTimeout: 30 * time.Second, StallTimeout: 20 * time.Second, StepTimeout: time.Minute, RestartWait: 10 * time.Second, StopGrace: 5 * time.Second,
		RestartDelay: 50 * time.Millisecond, RestartDelayMax: time.Second, CrashLimit: 4, CrashWindow: time.Minute, StartLimit: 2, Attempts: 3,
		Observe: supervise.Resident,
		Changed: func(s supervise.Status) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if n := len(b.states); n == 0 || b.states[n-1] != s.State {
				b.states = append(b.states, s.State)
			}
		},
	}
	c := worker.Config{
		Instance: "test", Pack: enginetest.Pack(t), Model: enginetest.Model(t, "tiny2"), Context: 512, Parallel: 4, Batch: 512, Chunk: 128, Queue: 16, Threads: 1,
		Generate: true, Embedding: 256, LogLevel: "info",
	}
	if change != nil {
		change(&o, &c)
	}
	b.Engine = supervise.Start(o, c)
	t.Cleanup(b.Stop)
	return b
}

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	t.Cleanup(cancel)
	return auth.With(ctx, auth.Service("test"))
}

func ready(t *testing.T, b *bench) {
	t.Helper()
	require.NoError(t, b.WaitReady(patient(t)))
}

// ask answers a question through Do, as the node does. first is called once, at the first text.
func ask(ctx context.Context, b *bench, question string, first func(supervise.Worker)) (text string, attempts int, err error) {
	zero := float32(0)
	req := &gpuruntimev1.GenerateRequest{InstanceId: "test", Messages: []*gpuruntimev1.Message{{Role: "user", Content: question}}, Sampling: &gpuruntimev1.Sampling{Temperature: &zero}}
	err = b.Do(ctx, func(ctx context.Context, w supervise.Worker) (bool, error) {
		attempts = w.Attempt
		stream, err := w.Client().Generate(ctx, req)
		if err != nil {
			return false, err
		}
		begun := false
		for {
			resp, err := stream.Recv()
			if err != nil {
				return begun, err
			}
			if resp.GetFinish() != nil {
				return begun, nil
			}
			if !begun && first != nil {
				first(w)
			}
			begun = true
			text += resp.GetDelta()
		}
	})
	return text, attempts, err
}

func kill(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
}

func TestAWorkerIsReadyWhenItHasWrittenAToken(t *testing.T) {
	t.Parallel()
	b := engine(t, nil)
	ready(t, b)
	s := b.Status()
	require.Equal(t, supervise.Ready, s.State)
	require.Equal(t, 192, s.Ready.Embedding)
	require.Equal(t, 512, s.Ready.ContextTrain)
	require.True(t, strings.HasPrefix(s.Ready.Engine, "0.5.0"))
	require.Greater(t, s.Observed, int64(10<<20))
	text, attempts, err := ask(patient(t), b, "What is a GPU?", nil)
	require.NoError(t, err)
	require.Equal(t, "A GPU is a chip that does many small sums at the same time. It makes models fast.", text)
	require.Equal(t, 1, attempts)
	b.Stop()
	require.Equal(t, supervise.Stopped, b.Status().State)
	require.Equal(t, []supervise.State{supervise.Starting, supervise.Ready, supervise.Stopping, supervise.Stopped}, b.saw())
	_, _, err = ask(patient(t), b, "What is a GPU?", nil)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.ErrorIs(t, syscall.Kill(s.PID, 0), syscall.ESRCH, "the process is gone")
}

func TestARequestWithoutAWordYetIsAskedAgainOfTheNextWorker(t *testing.T) {
	t.Parallel()
	b := engine(t, nil)
	ready(t, b)
	pid := b.Status().PID
	killed := false
	zero := float32(0)
	req := &gpuruntimev1.GenerateRequest{InstanceId: "test", Messages: []*gpuruntimev1.Message{{Role: "user", Content: "What is drift?"}}, Sampling: &gpuruntimev1.Sampling{Temperature: &zero}}
	var text string
	var attempts int
	err := b.Do(patient(t), func(ctx context.Context, w supervise.Worker) (bool, error) {
		attempts = w.Attempt
		if !killed {
			require.NoError(t, syscall.Kill(w.PID(), syscall.SIGSTOP)) // it takes the request and answers nothing
		}
		stream, err := w.Client().Generate(ctx, req)
		if err != nil {
			return false, err
		}
		if !killed {
			killed = true
			kill(t, w.PID())
		}
		begun := false
		for {
			resp, err := stream.Recv()
			if err != nil {
				return begun, err
			}
			if resp.GetFinish() != nil {
				return begun, nil
			}
			begun = true
			text += resp.GetDelta()
		}
	})
	require.NoError(t, err)
	require.Equal(t, "Drift means that new data no longer looks like the data that the model learned from.", text)
	require.Equal(t, 2, attempts)
	require.Equal(t, 1, b.Status().Restarts)
	require.NotEqual(t, pid, b.Status().PID)
}

func TestAnAnswerThatHasBegunEndsAsUnavailableAndTheEngineComesBack(t *testing.T) {
	t.Parallel()
	b := engine(t, nil)
	ready(t, b)
	_, attempts, err := ask(patient(t), b, "Tell me a story about a bear.", func(w supervise.Worker) { kill(t, w.PID()) })
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Equal(t, "ENGINE_CRASHED", fault.Reason(err))
	require.Equal(t, 1, attempts, "what was said cannot be unsaid")
	started := time.Now()
	text, _, err := ask(patient(t), b, "Thank you.", nil)
	require.NoError(t, err)
	require.Equal(t, "You are welcome.", text)
	require.Less(t, time.Since(started), enginetest.Back)
	require.Contains(t, b.saw(), supervise.Restarting)
}

func TestAKilledEngineAnswersAgainWithinTwoSecondsEveryTime(t *testing.T) {
	t.Parallel()
	b := engine(t, nil)
	ready(t, b)
	for range 6 { // more often than CrashLimit: a worker that serves does not crash in a row
		kill(t, b.Status().PID)
		started := time.Now()
		text, _, err := ask(patient(t), b, "Thank you.", nil)
		require.NoError(t, err)
		require.Equal(t, "You are welcome.", text)
		require.Less(t, time.Since(started), enginetest.Back)
	}
	require.Equal(t, 6, b.Status().Restarts)
}

func TestAnEngineThatCrashesAgainAndAgainFails(t *testing.T) {
	t.Parallel()
	b := engine(t, func(o *supervise.Options, _ *worker.Config) {
		o.CrashLimit, o.CrashWindow, o.RestartDelay = 3, time.Nanosecond, time.Millisecond
	})
	ready(t, b)
	last := 0
	testkit.Eventually(t, testkit.Patience, func() bool {
		s := b.Status()
		if s.State == supervise.Ready && s.PID != last {
			last = s.PID
			kill(t, last)
		}
		return s.State == supervise.Failed
	}, "it is started for ever")
	err := b.WaitReady(patient(t))
	require.Equal(t, "ENGINE_CRASH_LOOP", fault.Reason(err))
	require.Contains(t, fault.Text(err), "3 times in a row")
	_, _, err = ask(patient(t), b, "Thank you.", nil)
	require.Equal(t, "INSTANCE_FAILED", fault.Reason(err))
}

func TestAModelTheEngineRefusesFailsAtOnceWithItsReason(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(enginetest.Model(t, "tiny"))
	require.NoError(t, err)
	at := strings.Index(string(whole), "blk.2.attn_q.weight")
	copy(whole[at:], "blk.2.attn_x.weight")
	path := filepath.Join(t.TempDir(), "damaged.gguf")
	require.NoError(t, os.WriteFile(path, whole, 0o600))
	b := engine(t, func(_ *supervise.Options, c *worker.Config) { c.Model = path })
	err = b.WaitReady(patient(t))
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	require.Contains(t, fault.Text(err), "blk.2.attn_q.weight")
	require.Zero(t, b.Status().Restarts, "trying again would not help")
}

func TestABinaryThatIsNoWorkerFailsAfterAFewTries(t *testing.T) {
	t.Parallel()
	b := engine(t, func(o *supervise.Options, _ *worker.Config) {
		o.Executable, o.RestartDelay = "/bin/false", time.Millisecond
	})
	err := b.WaitReady(patient(t))
	require.Equal(t, "ENGINE_CRASH_LOOP", fault.Reason(err))
	require.Contains(t, fault.Text(err), "exit status 1")
	b = engine(t, func(o *supervise.Options, _ *worker.Config) {
		o.Executable, o.RestartDelay = "/no/such/binary", time.Millisecond
	})
	require.Error(t, b.WaitReady(patient(t)))
}

func TestAWorkerThatHangsIsKilledAndReplaced(t *testing.T) {
	t.Parallel()
	b := engine(t, func(o *supervise.Options, _ *worker.Config) { o.StallTimeout = 3 * time.Second })
	ready(t, b)
	pid := b.Status().PID
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP)) // alive, connected, and silent
	testkit.Eventually(t, testkit.Patience, func() bool { s := b.Status(); return s.State == supervise.Ready && s.PID != pid }, "no new worker")
	text, _, err := ask(patient(t), b, "Thank you.", nil)
	require.NoError(t, err)
	require.Equal(t, "You are welcome.", text)
}

func TestACallerWhoGoesAwayFreesTheWorkersSlot(t *testing.T) {
	t.Parallel()
	b := engine(t, nil)
	ready(t, b)
	ctx, cancel := context.WithCancel(patient(t))
	_, _, err := ask(ctx, b, "Tell me a story about a fox.", func(supervise.Worker) { cancel() })
	require.True(t, fault.Is(err, fault.Canceled) || errors.Is(err, context.Canceled), "%v", err)
	testkit.Eventually(t, testkit.Patience, func() bool { l := b.Status().Load; return l.Slots == 4 && l.Busy == 0 && l.Queued == 0 }, "the slot stays busy")
	require.Zero(t, b.Status().Restarts)
}

func TestStoppingWhileStartingLeavesNoProcess(t *testing.T) {
	t.Parallel()
	b := engine(t, nil)
	testkit.Eventually(t, testkit.Patience, func() bool { return b.Status().PID != 0 }, "no process")
	pid := b.Status().PID
	b.Stop()
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	require.Equal(t, supervise.Stopped, b.Status().State)
}

func TestTheWorkersLinesComeIntoTheLogUnderItsName(t *testing.T) {
	t.Parallel()
	var buf lockedBuffer
	b := engine(t, func(o *supervise.Options, c *worker.Config) {
		o.Log, c.LogLevel = slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug})), "debug"
		o.Propagator = propagation.TraceContext{}
	})
	ready(t, b)
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{0xab, 15: 1}, SpanID: trace.SpanID{7: 1}})
	_, _, err := ask(trace.ContextWithSpanContext(patient(t), span), b, "Hello!", nil)
	require.NoError(t, err)
	b.Stop()
	require.Contains(t, buf.String(), "trace_id=ab000000000000000000000000000001", "a call's lines name its trace")
	require.Contains(t, buf.String(), "instance=test")
	require.Contains(t, buf.String(), "engine says")
	require.Contains(t, buf.String(), "llama_model_loader")
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var _ io.Writer = (*lockedBuffer)(nil)
