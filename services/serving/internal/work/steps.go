package work

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// do takes one step. An error of a peer pauses the step, or gives the pending revision up; what it returns are errors of
// the store, which end the pass.
func (w *worker) do(ctx context.Context, e *domain.Endpoint, s domain.Step) error {
	ctx, span := w.r.Tracer.Start(ctx, "serving."+string(s.Verb), trace.WithAttributes(
		attribute.String("slipway.endpoint", e.Name), attribute.String("slipway.instance", s.Instance.ID)))
	defer span.End()
	stepping, cancel := context.WithTimeout(ctx, stepTimeout) // a peer that hangs must not hold the endpoint for good
	defer cancel()
	err := w.verb(stepping, e, s)
	w.r.Metrics.step(s.Verb, err)
	if err != nil {
		span.SetStatus(codes.Error, string(fault.KindOf(err)))
	}
	return w.judge(ctx, e, s, err)
}

func (w *worker) verb(ctx context.Context, e *domain.Endpoint, s domain.Step) error {
	id, stamp := s.Instance.ID, w.r.Verbs.Stamp()
	switch s.Verb {
	case domain.VerbRegister:
		return w.register(ctx, e)
	case domain.VerbLoad:
		return w.load(ctx, s.Instance)
	case domain.VerbReset:
		return w.reset(ctx, s)
	case domain.VerbProbe:
		return w.probe(ctx, s.Instance)
	case domain.VerbNote:
		return w.change(ctx, func(e *domain.Endpoint) bool { return e.Note(id, s.Message, stamp) })
	case domain.VerbLose:
		w.r.Log.WarnContext(ctx, "instance lost", slog.String("endpoint", e.Name), slog.String("instance", id), slog.String("why", s.Message))
		return w.change(ctx, func(e *domain.Endpoint) bool { return e.Lost(id, s.Message, stamp) })
	case domain.VerbFail:
		return w.fail(ctx, s.Revision, s.Failed)
	case domain.VerbRelease:
		return w.change(ctx, func(e *domain.Endpoint) bool { return e.Release(id, stamp) })
	case domain.VerbUnload:
		return w.unload(ctx, e, id)
	case domain.VerbLineage:
		return w.lineage(ctx, e)
	case domain.VerbFollow:
		defer w.r.Routed()
		return w.r.Verbs.FollowAliases(ctx, e, w.r.Replica)
	case domain.VerbUnregister:
		return w.remove(ctx, e)
	}
	return fault.New("serving.Reconcile", fault.Internal, "internal error")
}

// change runs a transition under the lease.
func (w *worker) change(ctx context.Context, f func(e *domain.Endpoint) bool) error {
	before, active := int64(0), int64(0)
	e, err := w.r.Store.Change(ctx, w.id, w.r.Replica, func(e *domain.Endpoint) (bool, error) {
		before = activeNumber(e)
		changed := f(e)
		active = activeNumber(e)
		return changed, nil
	})
	if err != nil {
		return err
	}
	w.r.Routed()
	if active != before {
		w.r.Metrics.update("activated")
		w.r.Log.InfoContext(ctx, "revision active", slog.String("endpoint", e.Name), slog.Int64("revision", active))
	}
	return nil
}

func activeNumber(e *domain.Endpoint) int64 {
	if e.Active == nil {
		return 0
	}
	return e.Active.Number
}

func (w *worker) register(ctx context.Context, e *domain.Endpoint) error {
	if err := w.r.Registry.Register(ctx, e.Name, e.Owner); err != nil && !fault.Is(err, fault.AlreadyExists) {
		return err
	}
	return w.change(ctx, func(e *domain.Endpoint) bool {
		e.Registered = true
		return true
	})
}

func (w *worker) load(ctx context.Context, i domain.Instance) error {
	seen, err := w.r.Runtime.Load(ctx, i)
	if err != nil {
		return err
	}
	w.r.Log.InfoContext(ctx, "instance loading", slog.String("instance", i.ID), slog.String("model", i.Key.Model.String()))
	w.r.Observer.Tell(seen)
	return nil
}

// reset ends what failed for good, so that the next plan loads it anew. It is always followed by a pause: an engine that
// fails each time must not keep the node busy.
func (w *worker) reset(ctx context.Context, s domain.Step) error {
	defer w.hold(s)
	if err := w.r.Runtime.Unload(ctx, s.Instance.ID, 0); err != nil {
		return err
	}
	w.r.Observer.Forget(s.Instance.ID)
	return nil
}

func (w *worker) probe(ctx context.Context, i domain.Instance) error {
	probing, cancel := context.WithTimeout(ctx, w.r.Settings.ProbeTimeout)
	defer cancel()
	if err := w.r.Runtime.Probe(probing, i.ID); err != nil {
		return err
	}
	for _, v := range []domain.Verb{domain.VerbLoad, domain.VerbReset, domain.VerbProbe} {
		delete(w.pauses, pauseKey(domain.Step{Verb: v, Instance: i}))
	}
	stamp := w.r.Verbs.Stamp()
	return w.change(ctx, func(e *domain.Endpoint) bool { return e.Probed(i.ID, stamp) })
}

func (w *worker) fail(ctx context.Context, revision int64, failed map[string]string) error {
	stamp, done := w.r.Verbs.Stamp(), false
	err := w.change(ctx, func(e *domain.Endpoint) bool {
		done = e.FailUpdate(revision, failed, stamp)
		return done
	})
	if err == nil && done {
		w.r.Metrics.update("failed")
		w.r.Log.WarnContext(ctx, "update failed", slog.String("endpoint_id", w.id), slog.Int64("revision", revision), slog.Any("why", failed))
	}
	return err
}

func (w *worker) unload(ctx context.Context, e *domain.Endpoint, id string) error {
	if err := w.r.Runtime.Unload(ctx, id, w.r.Settings.Drain); err != nil {
		return err
	}
	w.r.Observer.Forget(id)
	w.r.Log.InfoContext(ctx, "instance unloaded", slog.String("endpoint", e.Name), slog.String("instance", id))
	return w.change(ctx, func(e *domain.Endpoint) bool { return e.Gone(id) })
}

func (w *worker) lineage(ctx context.Context, e *domain.Endpoint) error {
	number := e.Active.Number
	if edges := e.Active.Edges(e.Name); len(edges) > 0 {
		err := w.r.Registry.Lineage(ctx, edges)
		switch fault.KindOf(err) {
		case "":
		case fault.NotFound, fault.Invalid, fault.PermissionDenied:
			// A version or the endpoint itself is gone by now: there is nothing to draw an edge to, today or tomorrow.
			w.r.Log.WarnContext(ctx, "lineage not recorded", slog.String("endpoint", e.Name), slog.Any("error", err))
		default:
			return err
		}
	}
	return w.change(ctx, func(e *domain.Endpoint) bool {
		if e.Active == nil || e.Active.Number != number {
			return false
		}
		e.Active.Lineage = true
		return true
	})
}

// remove forgets the endpoint, in the registry first: while the row is there the name is held, so that nobody's new grants
// can be taken for the old ones.
func (w *worker) remove(ctx context.Context, e *domain.Endpoint) error {
	if err := w.r.Registry.Unregister(ctx, e.Name); err != nil {
		return err
	}
	if err := w.r.Store.Remove(ctx, w.id); err != nil {
		return err
	}
	w.r.Log.InfoContext(ctx, "endpoint removed", slog.String("endpoint", e.Name))
	return nil
}
