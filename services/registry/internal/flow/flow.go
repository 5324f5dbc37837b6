// Package flow is what the registry does, one file for each verb. A verb takes names as the caller wrote them and checks
// them, finds out what the caller may do, and makes its change in one transaction: what it decided and what it did cannot
// come apart. It says what happened as an event in the same transaction.
//
// Verbs that serve catalogs, schemas, models and prompts alike are on Tree; those that serve models and prompts alike are
// on Lines; the rest belongs to one noun each.
package flow

import (
	"context"
	"time"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// Desk is what every verb needs.
type Desk struct {
	Store store.Store
	Clock clock.Clock
	IDs   id.Source
}

// Tree is the verbs of everything that has a place in the catalog.
type Tree struct{ Desk }

// Lines is the verbs of models and prompts that are the same for both.
type Lines struct{ Desk }

// Prompts is the verbs of prompt versions.
type Prompts struct{ Desk }

// Grants is the verbs of access.
type Grants struct{ Desk }

// Lineage is the verbs of lineage.
type Lineage struct{ Desk }

// caller is who calls: never nobody.
func caller(ctx context.Context, op string) (domain.Caller, error) {
	p, ok := auth.From(ctx)
	if !ok || p.Name == "" {
		return domain.Caller{}, fault.New(op, fault.Unauthenticated, "authentication is required")
	}
	return domain.Caller{Name: p.Name, Groups: p.Groups, Admin: p.IsAdmin()}, nil
}

// internalOnly refuses everyone but the platform's own services.
func internalOnly(ctx context.Context, op string) error {
	p, ok := auth.From(ctx)
	if !ok {
		return fault.New(op, fault.Unauthenticated, "authentication is required")
	}
	if p.Kind != auth.Internal {
		return fault.New(op, fault.PermissionDenied, "only services of the platform may call this").WithReason("INTERNAL_ONLY")
	}
	return nil
}

// judge says what one caller holds on several securables, at the cost of two queries.
func judge(ctx context.Context, r store.Reader, c domain.Caller, refs ...domain.Ref) ([]domain.Access, error) {
	seen := map[domain.Ref]bool{}
	var all []domain.Ref
	for _, ref := range refs {
		for _, level := range ref.Path() {
			if !seen[level] {
				seen[level] = true
				all = append(all, level)
			}
		}
	}
	found, err := r.Find(ctx, all)
	if err != nil {
		return nil, err
	}
	var grants []domain.Grant
	if !c.Admin {
		ids := make([]string, 0, len(found))
		for _, s := range found {
			ids = append(ids, s.ID)
		}
		if grants, err = r.Held(ctx, c.Grantees(), ids); err != nil {
			return nil, err
		}
	}
	held := domain.Holdings(grants)
	out := make([]domain.Access, len(refs))
	for i, ref := range refs {
		out[i] = domain.NewAccess(c, ref, found, held)
	}
	return out, nil
}

// access says what the caller of ctx holds on one securable.
func access(ctx context.Context, r store.Reader, op string, ref domain.Ref) (domain.Access, error) {
	c, err := caller(ctx, op)
	if err != nil {
		return domain.Access{}, err
	}
	list, err := judge(ctx, r, c, ref)
	if err != nil {
		return domain.Access{}, err
	}
	return list[0], nil
}

// require is access that must hold any one of the privileges; it returns the securable.
func require(ctx context.Context, r store.Reader, op string, ref domain.Ref, anyOf ...domain.Privilege) (domain.Securable, error) {
	a, err := access(ctx, r, op, ref)
	if err != nil {
		return domain.Securable{}, err
	}
	return a.Subject(), a.Require(op, anyOf...)
}

// now is the time as the store keeps it, so that what a verb returns and what is read later are the same.
func (d Desk) now() time.Time { return d.Clock.Now().UTC().Truncate(time.Microsecond) }

// actor is the name under which an event or a row remembers the caller.
func actor(ctx context.Context) string {
	p, _ := auth.From(ctx)
	return p.Name
}

// event begins an event about a securable.
func (d Desk) event(ctx context.Context, kind domain.EventKind, about domain.Ref, at time.Time) domain.Event {
	return domain.Event{Kind: kind, Entity: domain.EntityType(about.Type), Subject: about, Actor: actor(ctx), Time: at}
}
