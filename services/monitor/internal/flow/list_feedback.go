package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// ListFeedback lists feedback, newest first; more tells that there is further. A
// caller sees the feedback of endpoints it may manage, and its own. Without an
// endpoint and a request only administrators may look.
func (f *Feedbacks) ListFeedback(ctx context.Context, q domain.FeedbackQuery) (page []domain.Feedback, more bool, err error) {
	const op = "monitor.ListFeedback"
	me, _ := auth.From(ctx)
	if q.Endpoint == "" && q.RequestID == "" && !me.IsAdmin() {
		return nil, false, fault.New(op, fault.PermissionDenied, "name an endpoint or a request; all feedback is for administrators").WithReason("FILTER_NEEDED")
	}
	if q.Endpoint != "" {
		if err := f.Access.Check(ctx, q.Endpoint, Execute); err != nil {
			return nil, false, err
		}
	}
	g := newGate(f.Access)
	return visible(q.Limit, func(last *domain.Feedback, n int) ([]domain.Feedback, error) {
		next := q
		next.Limit = n
		if last != nil {
			next.After = domain.TimeKey{Micros: last.CreateTime.UnixMicro(), ID: last.ID}
		}
		return f.Memory.ListFeedback(ctx, next)
	}, func(j domain.Feedback) (bool, error) {
		if me.Name != "" && j.Creator == me.Name {
			return true, nil
		}
		return g.opens(ctx, j.Endpoint)
	})
}
