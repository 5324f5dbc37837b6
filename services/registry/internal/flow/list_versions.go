package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/page"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// Versions returns a page of a model's versions, newest first.
func (m Models) Versions(ctx context.Context, model string, size int32, token string) ([]domain.ModelVersion, string, error) {
	return versionPage(ctx, m.Desk, domain.TypeModel, model, size, token, m.Store.ModelVersions, func(v domain.ModelVersion) int64 { return v.Version })
}

// Versions returns a page of a prompt's versions, newest first.
func (p Prompts) Versions(ctx context.Context, prompt string, size int32, token string) ([]domain.PromptVersion, string, error) {
	return versionPage(ctx, p.Desk, domain.TypePrompt, prompt, size, token, p.Store.PromptVersions, func(v domain.PromptVersion) int64 { return v.Version })
}

func versionPage[V any](ctx context.Context, d Desk, typ domain.SecurableType, fullName string, size int32, token string,
	list func(ctx context.Context, line domain.Securable, before int64, limit int) ([]V, error), number func(V) int64,
) ([]V, string, error) {
	const op = "registry.ListVersions"
	ref, err := domain.ParseRef(typ, fullName)
	if err != nil {
		return nil, "", err
	}
	limit, err := page.Size(size, defaultPage, maxPage)
	if err != nil {
		return nil, "", err
	}
	line, err := require(ctx, d.Store, op, ref, domain.Browse(typ)...)
	if err != nil {
		return nil, "", err
	}
	key, err := decodePage(token, string(typ)+" versions", ref.FullName)
	if err != nil {
		return nil, "", err
	}
	versions, err := list(ctx, line, key.Below, limit+1)
	if err != nil || len(versions) <= limit {
		return versions, "", err
	}
	versions = versions[:limit]
	key.Below = number(versions[limit-1])
	return versions, page.Encode(key), nil
}
