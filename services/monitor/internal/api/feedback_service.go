package api

import (
	"context"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/slipway-ai/slipway/pkg/page"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

// FeedbackService is slipway.monitor.v1.FeedbackService.
type FeedbackService struct {
	monitorv1.UnimplementedFeedbackServiceServer
	Flow *flow.Feedbacks
}

var sourceFrom = map[monitorv1.FeedbackSource]domain.FeedbackSource{
	monitorv1.FeedbackSource_FEEDBACK_SOURCE_UNSPECIFIED: domain.SourceHuman,
	monitorv1.FeedbackSource_FEEDBACK_SOURCE_HUMAN:       domain.SourceHuman,
	monitorv1.FeedbackSource_FEEDBACK_SOURCE_LLM_JUDGE:   domain.SourceLLMJudge,
	monitorv1.FeedbackSource_FEEDBACK_SOURCE_CODE:        domain.SourceCode,
}

var sourceTo = map[domain.FeedbackSource]monitorv1.FeedbackSource{
	domain.SourceHuman:    monitorv1.FeedbackSource_FEEDBACK_SOURCE_HUMAN,
	domain.SourceLLMJudge: monitorv1.FeedbackSource_FEEDBACK_SOURCE_LLM_JUDGE,
	domain.SourceCode:     monitorv1.FeedbackSource_FEEDBACK_SOURCE_CODE,
}

// CreateFeedback implements the RPC.
func (s *FeedbackService) CreateFeedback(ctx context.Context, req *monitorv1.CreateFeedbackRequest) (*monitorv1.CreateFeedbackResponse, error) {
	source, known := sourceFrom[req.GetSource()]
	if !known {
		source = domain.FeedbackSource(req.GetSource().String()) // refused with a word about it
	}
	f, err := s.Flow.CreateFeedback(ctx, domain.Feedback{
		RequestID: req.GetRequestId(), Endpoint: req.GetEndpoint(), Name: req.GetName(), Value: valueFrom(req.GetValue()),
		Rationale: req.GetRationale(), Source: source,
	})
	if err != nil {
		return nil, err
	}
	out, err := feedbackTo(f)
	if err != nil {
		return nil, err
	}
	return &monitorv1.CreateFeedbackResponse{Feedback: out}, nil
}

// ListFeedback implements the RPC.
func (s *FeedbackService) ListFeedback(ctx context.Context, req *monitorv1.ListFeedbackRequest) (*monitorv1.ListFeedbackResponse, error) {
	q := domain.FeedbackQuery{Endpoint: req.GetEndpoint(), RequestID: req.GetRequestId(), Name: req.GetName()}
	var err error
	if q.Limit, err = page.Size(req.GetPageSize(), defaultPage, largestPage); err != nil {
		return nil, err
	}
	if err := page.Decode(req.GetPageToken(), &q.After); err != nil {
		return nil, err
	}
	found, more, err := s.Flow.ListFeedback(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &monitorv1.ListFeedbackResponse{}
	for _, f := range found {
		p, err := feedbackTo(f)
		if err != nil {
			return nil, err
		}
		out.Feedback = append(out.Feedback, p)
	}
	if more {
		last := found[len(found)-1]
		out.NextPageToken = page.Encode(domain.TimeKey{Micros: last.CreateTime.UnixMicro(), ID: last.ID})
	}
	return out, nil
}

// valueFrom is AsInterface but for NaN and the infinities, which that one turns into
// texts: they stay numbers here, and are refused.
func valueFrom(v *structpb.Value) any {
	if n, ok := v.GetKind().(*structpb.Value_NumberValue); ok {
		return n.NumberValue
	}
	return v.AsInterface()
}

func feedbackTo(f domain.Feedback) (*monitorv1.Feedback, error) {
	value, err := structpb.NewValue(f.Value)
	if err != nil {
		return nil, err // a stored value of a kind that is never stored
	}
	return &monitorv1.Feedback{
		FeedbackId: f.ID, RequestId: f.RequestID, Endpoint: f.Endpoint, Name: f.Name, Value: value, Rationale: f.Rationale,
		Source: sourceTo[f.Source], Creator: f.Creator, CreateTime: timeTo(f.CreateTime),
	}, nil
}
