package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// Statement is an edge as a caller states it.
type Statement struct{ Upstream, Downstream, Relation string }

// Add records edges, all or none; one that exists stays as it is. The caller says something about the downstream thing and
// so needs MANAGE on it; the upstream thing is merely used, for which EXECUTE is enough. Things outside the registry
// belong to nobody here, so an edge needs at least one end inside. An alias is recorded as the version it points at.
func (l Lineage) Add(ctx context.Context, statements []Statement) error {
	const op = "registry.AddLineage"
	if _, err := caller(ctx, op); err != nil {
		return err
	}
	return l.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		now := l.now()
		for i, s := range statements {
			e, err := stated(ctx, tx, op, s)
			if err != nil {
				return fault.Wrap(op, fault.KindOf(err), err, "edge %d: %s", i+1, fault.Text(err)).WithReason(fault.Reason(err))
			}
			e.Creator, e.CreateTime = actor(ctx), now
			if err := tx.AddEdge(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

func stated(ctx context.Context, r store.Reader, op string, s Statement) (e domain.Edge, err error) {
	if e.Relation, err = domain.ParseRelation(s.Relation); err != nil {
		return e, err
	}
	up, err := domain.ParseEntity(s.Upstream)
	if err != nil {
		return e, err
	}
	down, err := domain.ParseEntity(s.Downstream)
	if err != nil {
		return e, err
	}
	if up.Outside() && down.Outside() {
		return e, fault.New(op, fault.Invalid, "neither %s nor %s is of this registry", s.Upstream, s.Downstream).WithReason("LINEAGE_INVALID")
	}
	if e.Upstream, err = resolveEntity(ctx, r, op, up, domain.Execute, domain.Manage); err != nil {
		return e, err
	}
	if e.Downstream, err = resolveEntity(ctx, r, op, down, domain.Manage); err != nil {
		return e, err
	}
	if e.Upstream == e.Downstream {
		return e, fault.New(op, fault.Invalid, "%s cannot come from itself", e.Upstream).WithReason("LINEAGE_INVALID")
	}
	return e, nil
}

// resolveEntity checks that the caller holds any of the privileges on an entity of the registry and that it exists, and
// returns its canonical name.
func resolveEntity(ctx context.Context, r store.Reader, op string, e domain.Entity, anyOf ...domain.Privilege) (string, error) {
	if e.Outside() {
		return e.URI(0), nil
	}
	s, err := require(ctx, r, op, e.Securable, anyOf...)
	if err != nil {
		return "", err
	}
	number := e.Version.Version
	if e.Version.Alias != "" {
		if number, err = r.Alias(ctx, s, e.Version.Alias); err != nil {
			return "", err
		}
	}
	switch s.Ref.Type {
	case domain.TypeModel:
		_, err = r.ModelVersion(ctx, s, number)
	case domain.TypePrompt:
		_, err = r.PromptVersion(ctx, s, number)
	}
	return e.URI(number), err
}
