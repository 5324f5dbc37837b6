package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// SetAlias points an alias at a version and returns the version that it pointed at before, 0 when it is new. A model's
// alias points only at a READY version.
func (l Lines) SetAlias(ctx context.Context, typ domain.SecurableType, fullName, alias string, version int64) (previous int64, err error) {
	const op = "registry.SetAlias"
	ref, err := domain.ParseRef(typ, fullName)
	if err != nil {
		return 0, err
	}
	if alias, err = domain.ParseAlias(alias); err != nil {
		return 0, err
	}
	err = l.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		s, err := require(ctx, tx, op, ref, domain.Manage)
		if err != nil {
			return err
		}
		if err := mayBeNamed(ctx, tx, op, s, version); err != nil {
			return err
		}
		now := l.now()
		if previous, err = tx.SetAlias(ctx, s.ID, alias, version, now); err != nil {
			return err
		}
		tx.Emit(l.aliasEvent(ctx, s.Ref, alias, version, now))
		return nil
	})
	return previous, err
}

func mayBeNamed(ctx context.Context, r store.Reader, op string, line domain.Securable, version int64) error {
	if line.Ref.Type == domain.TypePrompt {
		_, err := r.PromptVersion(ctx, line, version)
		return err
	}
	v, err := r.ModelVersion(ctx, line, version)
	if err != nil {
		return err
	}
	return v.RequireReady(op)
}
