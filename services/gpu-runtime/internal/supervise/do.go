package supervise

import (
	"context"
	"log/slog"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Do runs a call on the ready worker, waiting for one while the engine is being started again. When the worker dies under
// a call of whose answer nothing has reached the caller, the call is tried again on the next worker.
func (e *Engine) Do(ctx context.Context, call Call) error {
	const op = "supervise.Do"
	for attempt := 1; ; attempt++ {
		p, err := e.acquire(ctx)
		if err != nil {
			return err
		}
		begun, err := call(ctx, Worker{process: p, Attempt: attempt})
		if begun || err == nil {
			p.serving.Store(true)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		died := suspicious(err) && p.diedOf(ctx, e.opts)
		switch {
		case !died && (begun || fault.Reason(err) != "ENGINE_STEP_FAILED"):
			return err // the worker's own word
		case begun:
			return fault.Wrap(op, fault.Unavailable, err, "the engine ended in the middle of the answer").WithReason("ENGINE_CRASHED")
		case attempt >= e.opts.Attempts:
			return fault.Wrap(op, fault.Unavailable, err, "the engine ended before the answer began, %d times", attempt).WithReason("ENGINE_CRASHED")
		}
		e.log.LogAttrs(ctx, slog.LevelWarn, "engine ended before the answer began; trying again", slog.Int("attempt", attempt))
	}
}

// suspicious errors are those that a broken connection makes.
func suspicious(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Canceled, fault.Internal:
		return true
	}
	return false
}

// acquire waits for a ready worker, at most RestartWait.
func (e *Engine) acquire(ctx context.Context) (*process, error) {
	const op = "supervise.acquire"
	late := e.opts.Clock.After(e.opts.RestartWait)
	for {
		e.mu.Lock()
		s, p, moved := e.status, e.current, e.moved
		e.mu.Unlock()
		switch s.State {
		case Ready:
			if p != nil && !p.ended() {
				return p, nil
			}
		case Failed:
			return nil, fault.Wrap(op, fault.Unavailable, s.Err, "the model instance has failed: %s", fault.Text(s.Err)).WithReason("INSTANCE_FAILED")
		case Stopping, Stopped:
			return nil, errStopping
		}
		select {
		case <-moved:
		case <-late:
			return nil, fault.New(op, fault.Unavailable, "the engine is being started").WithReason("ENGINE_STARTING").WithRetryAfter(e.opts.RestartWait)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ended reports whether the process is known to be dead.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
