// Package supervise keeps an engine worker alive. It starts the process, waits until it is loaded, healthy and has written
// a token, hands it requests, and when it dies starts another:
//
//	Starting ──► Ready ──► Restarting ──► Ready …
//	   │           │           │
//	   └───────────┴───────────┴──► Failed      refused the model, or died again and again
//	any of them ──► Stopping ──► Stopped
//
// A request whose answer had not begun when the worker died is asked again of the next one, without the caller noticing;
// one whose answer had begun ends as Unavailable, since what was said cannot be unsaid.
package supervise

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/slipway-ai/slipway/pkg/clock"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/worker"
)

// State is where an engine is in its life.
type State int

// The states.
const (
	Starting State = iota
	Ready
	Restarting
	Stopping
	Failed
	Stopped
)

// String names the state as logs do.
func (s State) String() string {
	return [...]string{"starting", "ready", "restarting", "stopping", "failed", "stopped"}[s]
}

// Status is a snapshot of an engine.
type Status struct {
	State    State
	Err      error // why it Failed, or what it is being restarted for
	PID      int   // of the running worker, 0 without one
	Restarts int
	Ready    worker.Ready
	Load     worker.Load
	Observed int64 // the most memory any worker of this engine was seen to use, bytes
}

// Options are what all engines of a node share. Durations are positive.
type Options struct {
	Executable string   // the binary to start, "/proc/self/exe"
	Env        []string // "KEY=value" added to the worker's environment
	Spawner    *Spawner
	Log        *slog.Logger
	Clock      clock.Clock
	SocketDir  string // a short path that only we may enter
	Propagator propagation.TextMapPropagator

	StartTimeout time.Duration // from the start of the process to the probe's token
	StallTimeout time.Duration // without a report
	StepTimeout  time.Duration // of one step of the engine
	RestartWait  time.Duration // how long a request waits for the next worker
	StopGrace    time.Duration // from SIGTERM to SIGKILL

	RestartDelay    time.Duration // before the second restart in a row; the first is immediate, later ones double it
	RestartDelayMax time.Duration
	CrashLimit      int           // lives in a row that served nobody, after which the engine has failed …
	CrashWindow     time.Duration // … if they took at least this long: a few bad seconds of the machine are no verdict
	StartLimit      int           // lives in a row of an engine that never was ready
	Attempts        int           // how often a request is tried

	Observe func(pid int) int64 // memory of a worker in bytes
	Changed func(Status)        // called after each change, from one goroutine at a time
}

// longLife is how long a worker must have been ready for its death not to count as a crash at the start.
const longLife = 10 * time.Second

// Worker is what a call gets to talk to.
type Worker struct {
	*process
	Attempt int // 1 for the first
}

// Client speaks to the worker.
func (w Worker) Client() gpuruntimev1.InferenceServiceClient { return w.client }

// PID of the worker's process.
func (w Worker) PID() int { return w.pid() }

// Served notes that the worker answers, at the first word of an answer and not at its end: should it die in between, its
// death is no crash at the start.
func (w Worker) Served() { w.serving.Store(true) }

// Call is one try of a request. It returns whether anything of the answer has reached the caller.
type Call func(ctx context.Context, w Worker) (begun bool, err error)
