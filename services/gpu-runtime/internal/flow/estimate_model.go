package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/domain"
)

// Estimate is a prediction without a load.
type Estimate struct {
	Memory   domain.Memory
	Fits     bool
	DeviceID string
}

// EstimateModel predicts what a spec would need and where it would go.
func (n *Node) EstimateModel(ctx context.Context, spec domain.Spec) (Estimate, error) {
	ctx, span := n.Tracer.Start(ctx, "estimate model")
	defer span.End()
	p, err := n.makePlan(asNode(ctx), spec)
	if err != nil {
		return Estimate{}, failSpan(span, err)
	}
	return Estimate{Memory: p.memory(), Fits: p.fits(n.Ledger), DeviceID: p.device.ID}, nil
}
