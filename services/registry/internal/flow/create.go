package flow

import (
	"context"
	"maps"

	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// creating is what it takes on the parent to create a thing of a type.
var creating = map[domain.SecurableType]domain.Privilege{
	domain.TypeCatalog: domain.CreateCatalog, domain.TypeSchema: domain.CreateSchema,
	domain.TypeModel: domain.CreateModel, domain.TypePrompt: domain.CreatePrompt,
}

// Create makes a catalog, schema, model or prompt that the caller owns. Only models and prompts have tags.
func (t Tree) Create(ctx context.Context, typ domain.SecurableType, fullName, comment string, tags map[string]string) (domain.Line, error) {
	const op = "registry.Create"
	ref, err := domain.ParseRef(typ, fullName)
	if err != nil {
		return domain.Line{}, err
	}
	if comment, err = domain.ParseComment(comment); err != nil {
		return domain.Line{}, err
	}
	if err := domain.CheckTags(tags, nil); err != nil {
		return domain.Line{}, err
	}
	line := domain.Line{Aliases: map[string]int64{}, Tags: map[string]string{}}
	maps.Copy(line.Tags, tags)
	err = t.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		a, err := access(ctx, tx, op, ref)
		if err != nil {
			return err
		}
		if err := a.RequireCreate(op, creating[typ]); err != nil {
			return err
		}
		now := t.now()
		line.Securable = domain.Securable{ID: t.IDs.New(), ParentID: a.Parent().ID, Ref: ref, Comment: comment, Owner: a.Caller().Name, CreateTime: now, UpdateTime: now}
		if err := tx.Create(ctx, line.Securable); err != nil {
			return err
		}
		if err := tx.SetTags(ctx, line.ID, 0, tags, nil); err != nil {
			return err
		}
		tx.Emit(t.event(ctx, domain.Created, ref, now))
		return nil
	})
	return line, err
}
