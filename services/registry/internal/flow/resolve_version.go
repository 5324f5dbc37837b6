package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// Resolve turns a reference into the model version that it means now. A version that cannot be loaded is refused: whoever
// resolves a reference is about to.
func (m Models) Resolve(ctx context.Context, uri string) (domain.ModelVersion, error) {
	const op = "registry.ResolveModelVersion"
	line, number, err := resolve(ctx, m.Store, op, domain.TypeModel, uri)
	if err != nil {
		return domain.ModelVersion{}, err
	}
	v, err := m.Store.ModelVersion(ctx, line, number)
	if err != nil {
		return domain.ModelVersion{}, err
	}
	return v, v.RequireLoadable(op)
}

// Resolve turns a reference into the prompt version that it means now.
func (p Prompts) Resolve(ctx context.Context, uri string) (domain.PromptVersion, error) {
	const op = "registry.ResolvePromptVersion"
	line, number, err := resolve(ctx, p.Store, op, domain.TypePrompt, uri)
	if err != nil {
		return domain.PromptVersion{}, err
	}
	return p.Store.PromptVersion(ctx, line, number)
}

func resolve(ctx context.Context, r store.Reader, op string, typ domain.SecurableType, uri string) (line domain.Securable, number int64, err error) {
	v, err := domain.ParseVersionRef(typ, uri)
	if err != nil {
		return line, 0, err
	}
	if line, err = require(ctx, r, op, v.Line, domain.Execute); err != nil {
		return line, 0, err
	}
	if v.Alias == "" {
		return line, v.Version, nil
	}
	number, err = r.Alias(ctx, line, v.Alias)
	return line, number, err
}
