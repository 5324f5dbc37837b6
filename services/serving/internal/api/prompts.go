package api

import (
	"context"

	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/serving/internal/flow"
)

// Prompts is the PromptExecutionService.
type Prompts struct {
	servingv1.UnimplementedPromptExecutionServiceServer
	flow *flow.Service
}

// NewPrompts serves the verb of f.
func NewPrompts(f *flow.Service) *Prompts { return &Prompts{flow: f} }

// RenderPrompt fills a served entity's prompt.
func (s *Prompts) RenderPrompt(ctx context.Context, req *servingv1.RenderPromptRequest) (*servingv1.RenderPromptResponse, error) {
	r, err := s.flow.RenderPrompt(ctx, req.GetEndpoint(), req.GetServedEntity(), req.GetVariables(), readMessages(req.GetMessages()))
	if err != nil {
		return nil, err
	}
	return &servingv1.RenderPromptResponse{Messages: writeMessages(r.Messages), Parameters: r.Parameters, PromptVersion: r.Version}, nil
}
