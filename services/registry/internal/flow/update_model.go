package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// LineChange is what may change of a line; nil leaves a thing as it is.
type LineChange struct {
	Comment    *string
	Owner      *string
	SetTags    map[string]string
	RemoveTags []string
}

func (c LineChange) empty() bool {
	return c.Comment == nil && c.Owner == nil && len(c.SetTags) == 0 && len(c.RemoveTags) == 0
}

// Update changes comment, owner or tags of a model or prompt. It needs MANAGE, also to give a thing away: whoever holds it
// could grant themselves and others everything anyway.
func (l Lines) Update(ctx context.Context, typ domain.SecurableType, fullName string, c LineChange) (domain.Line, error) {
	const op = "registry.Update"
	ref, err := domain.ParseRef(typ, fullName)
	if err != nil {
		return domain.Line{}, err
	}
	if err := domain.CheckTags(c.SetTags, c.RemoveTags); err != nil {
		return domain.Line{}, err
	}
	var line domain.Line
	err = l.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		s, err := require(ctx, tx, op, ref, domain.Manage)
		if err != nil {
			return err
		}
		if !c.empty() {
			if err := l.change(ctx, tx, &s, c); err != nil {
				return err
			}
		}
		lines, err := tx.Lines(ctx, []domain.Securable{s})
		if err != nil {
			return err
		}
		line = lines[0]
		return limitTags(op, line.Tags)
	})
	return line, err
}

func (l Lines) change(ctx context.Context, tx store.Tx, s *domain.Securable, c LineChange) (err error) {
	s.UpdateTime = l.now()
	if c.Comment != nil {
		if s.Comment, err = domain.ParseComment(*c.Comment); err != nil {
			return err
		}
	}
	if c.Owner != nil {
		owner, err := domain.ParsePrincipal(*c.Owner)
		if err != nil {
			return err
		}
		if owner != s.Owner { // whoever has cached what the old owner may do must hear of it
			s.Owner = owner
			tx.Emit(l.event(ctx, domain.GrantsChanged, s.Ref, s.UpdateTime))
		}
	}
	if err := tx.Save(ctx, *s); err != nil {
		return err
	}
	if err := tx.SetTags(ctx, s.ID, 0, c.SetTags, c.RemoveTags); err != nil {
		return err
	}
	tx.Emit(l.event(ctx, domain.Updated, s.Ref, s.UpdateTime))
	return nil
}

func limitTags(op string, tags map[string]string) error {
	if len(tags) > domain.MaxTags {
		return fault.New(op, fault.Invalid, "%d tags are too many, at most %d", len(tags), domain.MaxTags).WithReason("TAG_INVALID")
	}
	return nil
}
