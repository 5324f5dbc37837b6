package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

// GetPrincipal returns a principal: oneself, or anybody for admins.
func (f *Principals) GetPrincipal(ctx context.Context, caller auth.Principal, name string) (domain.Principal, error) {
	const op = "flow.GetPrincipal"
	name, err := named(op, caller, name)
	if err != nil {
		return domain.Principal{}, err
	}
	if name != caller.Name {
		if err := admin(op, caller); err != nil {
			return domain.Principal{}, err
		}
	}
	return f.Store.Principal(ctx, name)
}
