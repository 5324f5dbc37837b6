package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// FeedbackMemory is what the verbs on feedback need remembered.
type FeedbackMemory interface {
	AddFeedback(ctx context.Context, f domain.Feedback) error
	ListFeedback(ctx context.Context, q domain.FeedbackQuery) ([]domain.Feedback, error)
}

// Requests tells whose a logged request is.
type Requests interface {
	// Requester returns who made a request and at which endpoint; a fault of kind
	// NotFound when the log does not hold it (yet).
	Requester(ctx context.Context, requestID string) (principal, endpoint string, err error)
}

// Feedbacks is the verbs on feedback.
type Feedbacks struct {
	Memory   FeedbackMemory
	Requests Requests // nil: nobody judges by right of having asked
	Access   Access
	Clock    clock.Clock
	IDs      id.Source
}
