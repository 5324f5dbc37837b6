package flow

import (
	"context"
	"slices"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// Delete removes an empty catalog or schema, or a model or prompt with all its versions.
//
// A model or prompt is kept while an endpoint that serves or renders one of its versions exists. Lineage says which do,
// and it says it of every endpoint that ever did: an endpoint that has moved on to another model still holds this one
// back, until the endpoint itself goes. That errs on the side of an endpoint that can still be rolled back.
func (t Tree) Delete(ctx context.Context, typ domain.SecurableType, fullName string) error {
	const op = "registry.Delete"
	ref, err := domain.ParseRef(typ, fullName)
	if err != nil {
		return err
	}
	return t.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		s, err := require(ctx, tx, op, ref, domain.Manage)
		if err != nil {
			return err
		}
		if typ == domain.TypeModel || typ == domain.TypePrompt {
			if err := refuseInUse(ctx, tx, op, ref); err != nil {
				return err
			}
			if err := tx.DeleteEdges(ctx, ref); err != nil {
				return err
			}
		}
		if err := tx.Delete(ctx, s.ID); fault.Is(err, fault.FailedPrecondition) {
			return fault.Wrap(op, fault.FailedPrecondition, err, "%s is not empty", ref).WithReason("NOT_EMPTY")
		} else if err != nil {
			return err
		}
		tx.Emit(t.event(ctx, domain.Deleted, ref, t.now()))
		return nil
	})
}

// maxUsers is how many edges are looked at to find an endpoint that still exists.
const maxUsers = 10_000

func refuseInUse(ctx context.Context, r store.Reader, op string, ref domain.Ref) error {
	relation := domain.Serves
	if ref.Type == domain.TypePrompt {
		relation = domain.Renders
	}
	edges, err := r.EdgesFrom(ctx, ref, relation, maxUsers)
	if err != nil {
		return err
	}
	var endpoints []domain.Ref
	for _, e := range edges {
		if d, err := domain.ParseEntity(e.Downstream); err == nil && d.Securable.Type == domain.TypeEndpoint {
			endpoints = append(endpoints, d.Securable)
		}
	}
	standing, err := r.Find(ctx, endpoints)
	if err != nil || len(standing) == 0 {
		return err
	}
	names := make([]string, 0, len(standing))
	for e := range standing {
		names = append(names, e.FullName)
	}
	slices.Sort(names)
	return fault.New(op, fault.FailedPrecondition, "%s is used by %s; delete what uses it first", ref, "endpoint "+strings.Join(names, ", ")).WithReason("IN_USE")
}
