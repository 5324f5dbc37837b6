package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// Register makes an endpoint, which another service owns, known with its owner, so that grants can be given on it. Said
// again it changes the owner, or nothing: the other service may repeat it after a failure.
func (g Grants) Register(ctx context.Context, typ domain.SecurableType, fullName, owner string) error {
	const op = "registry.RegisterSecurable"
	ref, err := foreign(ctx, op, typ, fullName)
	if err != nil {
		return err
	}
	if owner, err = domain.ParsePrincipal(owner); err != nil {
		return err
	}
	return g.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		found, err := tx.Find(ctx, []domain.Ref{ref})
		if err != nil {
			return err
		}
		now := g.now()
		s, exists := found[ref]
		switch {
		case !exists:
			tx.Emit(g.event(ctx, domain.Created, ref, now))
			return tx.Create(ctx, domain.Securable{ID: g.IDs.New(), ParentID: domain.MetastoreID, Ref: ref, Owner: owner, CreateTime: now, UpdateTime: now})
		case s.Owner != owner:
			s.Owner, s.UpdateTime = owner, now
			tx.Emit(g.event(ctx, domain.GrantsChanged, ref, now))
			return tx.Save(ctx, s)
		}
		return nil
	})
}

// Unregister forgets an endpoint with its grants and lineage. One that is not known is forgotten already.
func (g Grants) Unregister(ctx context.Context, typ domain.SecurableType, fullName string) error {
	const op = "registry.UnregisterSecurable"
	ref, err := foreign(ctx, op, typ, fullName)
	if err != nil {
		return err
	}
	return g.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		found, err := tx.Find(ctx, []domain.Ref{ref})
		if err != nil {
			return err
		}
		s, exists := found[ref]
		if !exists {
			return nil
		}
		if err := tx.DeleteEdges(ctx, ref); err != nil {
			return err
		}
		tx.Emit(g.event(ctx, domain.Deleted, ref, g.now()))
		return tx.Delete(ctx, s.ID)
	})
}

// foreign is the name of a thing that another service owns.
func foreign(ctx context.Context, op string, typ domain.SecurableType, fullName string) (domain.Ref, error) {
	if err := internalOnly(ctx, op); err != nil {
		return domain.Ref{}, err
	}
	if typ != domain.TypeEndpoint {
		return domain.Ref{}, fault.New(op, fault.Invalid, "only endpoints are registered by others, not a %s", typ).WithReason("SECURABLE_INVALID")
	}
	return domain.ParseRef(typ, fullName)
}
