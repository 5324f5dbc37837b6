package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// Version returns one version by number.
func (p Prompts) Version(ctx context.Context, prompt string, version int64) (domain.PromptVersion, error) {
	const op = "registry.GetPromptVersion"
	ref, err := domain.ParseRef(domain.TypePrompt, prompt)
	if err != nil {
		return domain.PromptVersion{}, err
	}
	s, err := require(ctx, p.Store, op, ref, domain.Browse(domain.TypePrompt)...)
	if err != nil {
		return domain.PromptVersion{}, err
	}
	return p.Store.PromptVersion(ctx, s, version)
}
