package flow

import (
	"context"
	"time"

	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// DeleteAlias removes an alias.
func (l Lines) DeleteAlias(ctx context.Context, typ domain.SecurableType, fullName, alias string) error {
	const op = "registry.DeleteAlias"
	ref, err := domain.ParseRef(typ, fullName)
	if err != nil {
		return err
	}
	if alias, err = domain.ParseAlias(alias); err != nil {
		return err
	}
	return l.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		s, err := require(ctx, tx, op, ref, domain.Manage)
		if err != nil {
			return err
		}
		if _, err := tx.Alias(ctx, s, alias); err != nil { // it says which alias of what is not there
			return err
		}
		now := l.now()
		if _, err := tx.DeleteAlias(ctx, s.ID, alias, now); err != nil {
			return err
		}
		tx.Emit(l.aliasEvent(ctx, s.Ref, alias, 0, now))
		return nil
	})
}

func (d Desk) aliasEvent(ctx context.Context, line domain.Ref, alias string, version int64, at time.Time) domain.Event {
	kind := domain.ModelAliasSet
	if line.Type == domain.TypePrompt {
		kind = domain.PromptAliasSet
	}
	e := d.event(ctx, kind, line, at)
	e.Alias, e.Version = alias, version
	return e
}
