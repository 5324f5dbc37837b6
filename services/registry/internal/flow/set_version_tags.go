package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// SetVersionTags sets and removes tags of a model version, in any state: tags are what people say of a version, not what
// it is.
func (m Models) SetVersionTags(ctx context.Context, model string, version int64, set map[string]string, remove []string) (domain.ModelVersion, error) {
	const op = "registry.SetModelVersionTags"
	ref, err := domain.ParseRef(domain.TypeModel, model)
	if err != nil {
		return domain.ModelVersion{}, err
	}
	if err := domain.CheckTags(set, remove); err != nil {
		return domain.ModelVersion{}, err
	}
	var v domain.ModelVersion
	err = m.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		s, err := require(ctx, tx, op, ref, domain.Manage)
		if err != nil {
			return err
		}
		if _, err := tx.ModelVersion(ctx, s, version); err != nil {
			return err
		}
		if len(set)+len(remove) > 0 {
			if err := tx.SetTags(ctx, s.ID, version, set, remove); err != nil {
				return err
			}
			if err := tx.TouchModelVersion(ctx, s.ID, version, m.now()); err != nil {
				return err
			}
		}
		if v, err = tx.ModelVersion(ctx, s, version); err != nil {
			return err
		}
		if len(set)+len(remove) > 0 {
			tx.Emit(m.versionEvent(ctx, domain.Updated, v))
		}
		return limitTags(op, v.Tags)
	})
	return v, err
}
