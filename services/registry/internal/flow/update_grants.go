package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// Update adds and removes grants on one securable, all or none, and returns those that now stand on it.
func (g Grants) Update(ctx context.Context, typ domain.SecurableType, fullName string, changes []domain.GrantChange) ([]domain.Grant, error) {
	const op = "registry.UpdateGrants"
	ref, err := domain.ParseRef(typ, fullName)
	if err != nil {
		return nil, err
	}
	if changes, err = domain.CheckGrantChanges(typ, changes); err != nil {
		return nil, err
	}
	var grants []domain.Grant
	err = g.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		s, err := require(ctx, tx, op, ref, domain.Manage)
		if err != nil {
			return err
		}
		changed, err := g.apply(ctx, tx, s.ID, changes)
		if err != nil {
			return err
		}
		if changed {
			tx.Emit(g.event(ctx, domain.GrantsChanged, ref, g.now()))
		}
		grants, err = tx.Grants(ctx, []string{s.ID})
		return err
	})
	return grants, err
}

func (g Grants) apply(ctx context.Context, tx store.Tx, id string, changes []domain.GrantChange) (changed bool, err error) {
	for _, c := range changes {
		for _, p := range c.Add {
			added, err := tx.AddGrant(ctx, domain.Grant{SecurableID: id, Principal: c.Principal, Privilege: p, Grantor: actor(ctx), CreateTime: g.now()})
			if err != nil {
				return false, err
			}
			changed = changed || added
		}
		for _, p := range c.Remove {
			removed, err := tx.RemoveGrant(ctx, id, c.Principal, p)
			if err != nil {
				return false, err
			}
			changed = changed || removed
		}
	}
	return changed, nil
}
