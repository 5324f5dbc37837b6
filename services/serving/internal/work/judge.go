package work

import (
	"context"
	"log/slog"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// judge decides what a failed step means. Losing the lease ends the pass. A failure that will not go away by itself gives
// the pending revision up, when the step was for it; everything else is tried again after a pause.
func (w *worker) judge(ctx context.Context, e *domain.Endpoint, s domain.Step, err error) error {
	if err == nil {
		return nil
	}
	if fault.Reason(err) == "LEASE_LOST" || ctx.Err() != nil {
		return err
	}
	attempts := 1
	if p := w.pauses[pauseKey(s)]; p != nil {
		attempts += p.failures
	}
	if why := w.hopeless(e, s, err, attempts); why != "" {
		if revision, failed := e.Blame(s.Instance.ID, why); len(failed) > 0 {
			return w.fail(ctx, revision, failed)
		}
	}
	w.hold(s)
	w.r.Log.WarnContext(ctx, "step failed", slog.String("endpoint", e.Name), slog.String("step", string(s.Verb)),
		slog.String("instance", s.Instance.ID), slog.Int("attempts", attempts), slog.Any("error", err))
	if s.Verb != domain.VerbLoad && s.Verb != domain.VerbProbe {
		return nil
	}
	stamp := w.r.Verbs.Stamp()
	return w.change(ctx, func(e *domain.Endpoint) bool { return e.Note(s.Instance.ID, fault.Text(err), stamp) })
}

// hopeless is what to tell people of a failure that trying again does not mend, "" of one that it may. An instance that
// has answered before is never given up: it is worth waiting for.
func (w *worker) hopeless(e *domain.Endpoint, s domain.Step, err error, attempts int) string {
	if s.Instance.Probed {
		return ""
	}
	switch s.Verb {
	case domain.VerbLoad:
		if transient(err) || fault.Is(err, fault.ResourceExhausted) && w.roomComes(e) {
			return ""
		}
		return fault.Text(err)
	case domain.VerbProbe:
		if !final(err) && attempts < w.r.Settings.ProbeAttempts {
			return ""
		}
		return "the model does not answer: " + fault.Text(err)
	}
	return ""
}

// final says that a model will answer the same way tomorrow. All else deserves a few attempts: the engine may have died of
// something else, or the runtime may just have forgotten the instance.
func final(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.FailedPrecondition, fault.Unimplemented, fault.DataLoss:
		return true
	}
	return false
}

func transient(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.DeadlineExceeded, fault.Canceled, fault.Aborted, fault.Unauthenticated:
		return true
	case fault.ResourceExhausted:
		return fault.RetryAfter(err) > 0
	}
	return false
}

// roomComes reports whether an instance of ours is on its way out: what it holds is about to be free.
func (w *worker) roomComes(e *domain.Endpoint) bool {
	for _, i := range e.Instances {
		if i.State == domain.Retired || i.State == domain.Unloading {
			return true
		}
	}
	for _, o := range w.r.Observer.Now().Instances {
		if o.State == domain.RuntimeDraining {
			return true
		}
	}
	return false
}
