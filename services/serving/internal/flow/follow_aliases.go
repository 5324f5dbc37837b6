package flow

import (
	"context"
	"log/slog"
	"slices"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// System is the creator of revisions that nobody asked for.
const System = "system"

// FollowAliases looks up what the aliases of an endpoint's active revision mean now and, when that has changed, proposes
// the same configuration with the new versions: the same safe way as anybody's update. An alias that means nothing any
// more keeps what it meant, and versions that have been tried and were given up are not tried again by themselves. holder
// is the lease to act under.
func (s *Service) FollowAliases(ctx context.Context, e *domain.Endpoint, holder string) error {
	if e.Active == nil {
		return nil
	}
	// Only what is known before the asking is done by it: an event that comes meanwhile raises FollowWanted further.
	active, wanted, last := e.Active, e.FollowWanted, e.LastRevision
	var resolved resolution
	for _, ref := range active.Config.References() {
		if !ref.Follows() {
			continue
		}
		one, err := s.resolve(Self(ctx), []domain.Reference{ref})
		switch fault.KindOf(err) {
		case "":
			resolved.merge(one)
		case fault.NotFound, fault.FailedPrecondition, fault.Invalid:
			s.Log.WarnContext(ctx, "alias not followed", slog.String("endpoint", e.Name), slog.String("reference", ref.String()), slog.Any("error", err))
		default:
			return err
		}
	}
	pins, proposed := resolved.pins(active.Config, active.Pins), false
	tried, err := s.tried(ctx, e, pins)
	if err != nil {
		return err
	}
	after, err := s.Store.Change(ctx, e.ID, holder, func(e *domain.Endpoint) (bool, error) {
		proposed = false // the transaction may run more than once
		if e.Pending != nil || e.Active == nil || e.Active.Number != active.Number {
			return false, nil // overtaken: the new revision asks for itself
		}
		if slices.Equal(pins, active.Pins) || tried && e.LastRevision == last {
			e.FollowDone = max(e.FollowDone, wanted)
			return true, nil
		}
		before := e.FollowWanted
		if err := e.Propose(active.Config, pins, System, s.Stamp()); err != nil {
			return false, err
		}
		// The proposal asks for another look, which is this one: without that, a version that cannot be brought up would be
		// proposed again and again.
		e.FollowDone = wanted + e.FollowWanted - before
		proposed = true
		return true, nil
	}, resolved.templates...)
	if err == nil && proposed {
		s.Log.InfoContext(ctx, "alias followed", slog.String("endpoint", after.Name), slog.Int64("revision", after.LastRevision))
	}
	return err
}

// tried reports whether the newest revision was this very proposal and is not active: it failed or was canceled. An event
// may come twice in effect: once seen early, when its revision was made, and once when it arrives.
func (s *Service) tried(ctx context.Context, e *domain.Endpoint, pins []domain.Pin) (bool, error) {
	if e.LastRevision == e.Active.Number {
		return false, nil
	}
	newest, err := s.Store.Revisions(ctx, e.ID, 0, 1)
	if err != nil || len(newest) == 0 {
		return false, err
	}
	return newest[0].Number == e.LastRevision && newest[0].Creator == System && slices.Equal(newest[0].Pins, pins), nil
}

func (r *resolution) merge(o resolution) {
	if r.models == nil {
		*r = o
		return
	}
	for ref, v := range o.models {
		r.models[ref] = v
	}
	for ref, v := range o.prompts {
		r.prompts[ref] = v
	}
	r.templates = append(r.templates, o.templates...)
}
