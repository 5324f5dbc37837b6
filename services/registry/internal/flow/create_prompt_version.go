package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/promptfile"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// CreateVersion adds an immutable version to a prompt.
func (p Prompts) CreateVersion(ctx context.Context, prompt string, d domain.PromptDraft) (domain.PromptVersion, error) {
	const op = "registry.CreatePromptVersion"
	ref, err := domain.ParseRef(domain.TypePrompt, prompt)
	if err != nil {
		return domain.PromptVersion{}, err
	}
	v, err := domain.NewPromptVersion(d)
	if err != nil {
		return domain.PromptVersion{}, err
	}
	v.Prompt = ref
	err = p.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		s, err := require(ctx, tx, op, ref, domain.Manage)
		if err != nil {
			return err
		}
		v.PromptID, v.Creator, v.CreateTime = s.ID, actor(ctx), p.now()
		if v.Version, err = tx.NextVersion(ctx, s.ID, v.CreateTime); err != nil {
			return err
		}
		if err := tx.CreatePromptVersion(ctx, v); err != nil {
			return err
		}
		e := p.event(ctx, domain.PromptVersionCreated, ref, v.CreateTime)
		e.Entity, e.Version = domain.EntityPromptVersion, v.Version
		tx.Emit(e)
		return nil
	})
	return v, err
}

// ImportVersion adds a version that is read from a file.
func (p Prompts) ImportVersion(ctx context.Context, prompt, fileName string, content []byte) (domain.PromptVersion, error) {
	d, err := promptfile.Read(fileName, content)
	if err != nil {
		return domain.PromptVersion{}, err
	}
	return p.CreateVersion(ctx, prompt, d)
}
