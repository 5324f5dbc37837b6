package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// Get returns a catalog, schema, model or prompt that the caller may see.
func (t Tree) Get(ctx context.Context, typ domain.SecurableType, fullName string) (domain.Line, error) {
	const op = "registry.Get"
	ref, err := domain.ParseRef(typ, fullName)
	if err != nil {
		return domain.Line{}, err
	}
	s, err := require(ctx, t.Store, op, ref, domain.Browse(typ)...)
	if err != nil {
		return domain.Line{}, err
	}
	lines, err := t.Store.Lines(ctx, []domain.Securable{s})
	if err != nil {
		return domain.Line{}, err
	}
	return lines[0], nil
}
