package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// Version returns one version by number, whatever its state.
func (m Models) Version(ctx context.Context, model string, version int64) (domain.ModelVersion, error) {
	const op = "registry.GetModelVersion"
	ref, err := domain.ParseRef(domain.TypeModel, model)
	if err != nil {
		return domain.ModelVersion{}, err
	}
	s, err := require(ctx, m.Store, op, ref, domain.Browse(domain.TypeModel)...)
	if err != nil {
		return domain.ModelVersion{}, err
	}
	return m.Store.ModelVersion(ctx, s, version)
}
