package api

import (
	"context"

	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/flow"
)

// Inference serves InferenceService, the data plane.
type Inference struct {
	gpuruntimev1.UnimplementedInferenceServiceServer
	Node *flow.Node
}

// Generate streams an answer.
func (s *Inference) Generate(req *gpuruntimev1.GenerateRequest, out gpuruntimev1.InferenceService_GenerateServer) error {
	if err := authorize(out.Context(), "api.Generate"); err != nil {
		return err
	}
	return s.Node.Generate(out.Context(), req, out.Send)
}

// Embed returns vectors.
func (s *Inference) Embed(ctx context.Context, req *gpuruntimev1.EmbedRequest) (*gpuruntimev1.EmbedResponse, error) {
	if err := authorize(ctx, "api.Embed"); err != nil {
		return nil, err
	}
	return s.Node.Embed(ctx, req)
}
