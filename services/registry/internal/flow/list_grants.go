package flow

import (
	"context"
	"slices"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// List returns the grants on a securable, those inherited from above too when asked. Whoever may manage it sees all;
// others see their own and their groups', which are theirs to know.
func (g Grants) List(ctx context.Context, typ domain.SecurableType, fullName, principal string, inherited bool) ([]domain.Grant, error) {
	const op = "registry.ListGrants"
	ref, err := domain.ParseRef(typ, fullName)
	if err != nil {
		return nil, err
	}
	a, err := access(ctx, g.Store, op, ref)
	if err != nil {
		return nil, err
	}
	manage := a.Decide(domain.Manage)
	if !manage.Visible {
		return nil, a.Require(op, domain.Manage)
	}
	own := a.Caller().Grantees()
	if !manage.Allowed && principal != "" && !slices.Contains(own, principal) {
		return nil, fault.New(op, fault.PermissionDenied, "%s may see the grants of others on %s only with MANAGE", a.Caller().Name, ref).WithReason("MISSING_PRIVILEGE")
	}
	ids := []string{a.Subject().ID}
	if inherited {
		ids = a.IDs()
	}
	grants, err := g.Store.Grants(ctx, ids)
	return slices.DeleteFunc(grants, func(gr domain.Grant) bool {
		return principal != "" && gr.Principal != principal || !manage.Allowed && !slices.Contains(own, gr.Principal)
	}), err
}
