package flow

import (
	"context"
	"errors"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
)

// Inferences is the verbs on the inference table.
type Inferences struct {
	Table   *delta.Table
	Access  Access
	Sources SourceMemory
}

// pageBytes bounds the bodies of a page, so that an answer fits into a message
// that any gRPC client takes.
const pageBytes = 3 << 20

// QueryInferences reads a page of records, newest first.
//
// Who may MANAGE an endpoint reads its log. Who may EXECUTE it reads, of its log,
// what is their own, by asking for their own name. Without an endpoint the query
// is for administrators.
func (f *Inferences) QueryInferences(ctx context.Context, q inference.Filter, after *inference.Cursor, limit int, bodies bool) (inference.Page, error) {
	const op = "flow.QueryInferences"
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return inference.Page{}, fault.New(op, fault.Invalid, "start_time must be before end_time").WithReason("TIME_RANGE_INVALID")
	}
	if err := f.mayQuery(ctx, q); err != nil {
		return inference.Page{}, err
	}
	if _, err := f.Table.Refresh(ctx); err != nil {
		return inference.Page{}, tableFault(op, err)
	}
	p, err := inference.Search(ctx, f.Table, q, inference.SearchOptions{After: after, Limit: limit, Bodies: bodies, MaxBytes: pageBytes})
	return p, tableFault(op, err)
}

func (f *Inferences) mayQuery(ctx context.Context, q inference.Filter) error {
	p, _ := auth.From(ctx)
	if q.Endpoint == "" {
		if p.IsAdmin() {
			return nil
		}
		return fault.New("flow.QueryInferences", fault.PermissionDenied, "name an endpoint; only administrators query all of them").WithReason("ENDPOINT_REQUIRED")
	}
	if q.Requester != "" && q.Requester == p.Name {
		return f.Access.Check(ctx, q.Endpoint, Execute)
	}
	return f.Access.Check(ctx, q.Endpoint, Manage)
}

// tableFault gives an error of the table its kind.
func tableFault(op string, err error) error {
	var already *fault.Error
	var corrupt *delta.CorruptError
	var unsupported *delta.UnsupportedError
	switch {
	case err == nil, errors.As(err, &already):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(op, fault.KindOf(err), err, "the inference table was not read to the end")
	case errors.As(err, &corrupt):
		return fault.Wrap(op, fault.DataLoss, err, "a file of the inference table is damaged")
	case errors.As(err, &unsupported):
		return fault.Wrap(op, fault.FailedPrecondition, err, "the inference table uses features that this program does not know")
	default:
		return fault.Wrap(op, fault.Unavailable, err, "the inference table cannot be read")
	}
}
