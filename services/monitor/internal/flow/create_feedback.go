package flow

import (
	"context"
	"strings"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// CreateFeedback records one judgement of one request. Who may query the endpoint
// may judge its answers; who made the request may judge it in any case. The
// request's row need not be committed yet: people are faster than logs.
func (f *Feedbacks) CreateFeedback(ctx context.Context, j domain.Feedback) (domain.Feedback, error) {
	const op = "monitor.CreateFeedback"
	if j.Source == "" {
		j.Source = domain.SourceHuman
	}
	if err := j.Validate(); err != nil {
		return domain.Feedback{}, err
	}
	text, _ := j.Value.(string)
	for _, s := range []string{j.RequestID, j.Endpoint, j.Name, j.Rationale, text} {
		if strings.ContainsRune(s, 0) {
			return domain.Feedback{}, fault.New(op, fault.Invalid, "feedback must not contain NUL characters").WithReason("FEEDBACK_INVALID")
		}
	}
	if err := f.mayJudge(ctx, j); err != nil {
		return domain.Feedback{}, err
	}
	j.ID, j.Creator, j.CreateTime = f.IDs.New(), caller(ctx), f.Clock.Now().UTC().Truncate(time.Microsecond)
	return j, f.Memory.AddFeedback(ctx, j)
}

func (f *Feedbacks) mayJudge(ctx context.Context, j domain.Feedback) error {
	denied := f.Access.Check(ctx, j.Endpoint, Execute)
	if denied == nil || !refused(denied) || f.Requests == nil || caller(ctx) == "" {
		return denied
	}
	who, endpoint, err := f.Requests.Requester(ctx, j.RequestID)
	if err == nil && who == caller(ctx) && endpoint == j.Endpoint {
		return nil
	}
	return denied
}
