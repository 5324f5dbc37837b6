package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
)

// GetInference reads one record. Its requester may, and who may MANAGE its
// endpoint. To everybody else it does not exist: that a request was made is
// already something about those who made it.
func (f *Inferences) GetInference(ctx context.Context, requestID string) (*inference.Record, error) {
	const op = "flow.GetInference"
	r, err := f.find(ctx, op, requestID)
	if err != nil {
		return nil, err
	}
	p, _ := auth.From(ctx)
	switch {
	case p.IsAdmin(), r.Requester != "" && r.Requester == p.Name:
		return r, nil
	case r.Endpoint == "":
		return nil, noInference(op, requestID)
	}
	switch err := f.Access.Check(ctx, r.Endpoint, Manage); {
	case fault.Is(err, fault.PermissionDenied), fault.Is(err, fault.NotFound):
		return nil, noInference(op, requestID)
	case err != nil:
		return nil, err
	}
	return r, nil
}

// Requester tells whose a request is, for those who judge its answer.
func (f *Inferences) Requester(ctx context.Context, requestID string) (principal, endpoint string, err error) {
	r, err := f.find(ctx, "flow.Requester", requestID)
	if err != nil {
		return "", "", err
	}
	return r.Requester, r.Endpoint, nil
}

func (f *Inferences) find(ctx context.Context, op, requestID string) (*inference.Record, error) {
	if _, err := f.Table.Refresh(ctx); err != nil {
		return nil, tableFault(op, err)
	}
	r, err := inference.Get(ctx, f.Table, requestID)
	if err != nil {
		return nil, tableFault(op, err)
	}
	if r == nil {
		return nil, noInference(op, requestID)
	}
	return r, nil
}

func noInference(op, requestID string) error {
	return fault.New(op, fault.NotFound, "the log holds no request %s", requestID).WithReason("INFERENCE_NOT_FOUND")
}
