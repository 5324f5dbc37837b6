package flow

import (
	"context"
	"slices"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

// PutPrincipal creates or replaces a principal. Admins only. No admin may shut themselves out: so the last one cannot.
func (f *Principals) PutPrincipal(ctx context.Context, caller auth.Principal, p domain.Principal) (domain.Principal, error) {
	const op = "flow.PutPrincipal"
	if err := admin(op, caller); err != nil {
		return domain.Principal{}, err
	}
	p, err := p.Checked()
	if err != nil {
		return domain.Principal{}, err
	}
	if p.Name == caller.Name && (p.Disabled || !slices.Contains(p.Groups, domain.Admins)) {
		return domain.Principal{}, fault.New(op, fault.FailedPrecondition, "an admin cannot disable or demote themselves; let another admin do it").
			WithReason("SELF_LOCKOUT")
	}
	p.CreateTime = now(f.Clock)
	p.UpdateTime = p.CreateTime
	stored, err := f.Store.PutPrincipal(ctx, p)
	// Also after an error: the store may have done it and not been able to say so.
	f.Identities.Changed()
	return stored, err
}
