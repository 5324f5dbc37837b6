package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

// RevokeToken ends a token: one's own, or anybody's for admins. Another's token is not found, so that ids cannot be tried
// out.
func (f *Principals) RevokeToken(ctx context.Context, caller auth.Principal, id string) error {
	const op = "flow.RevokeToken"
	gone := fault.New(op, fault.NotFound, "there is no such token")
	if !domain.Storable(id) {
		return gone
	}
	t, err := f.Store.Token(ctx, id)
	switch {
	case fault.Is(err, fault.NotFound):
		return gone
	case err != nil:
		return err
	case t.Principal != caller.Name && !caller.IsAdmin():
		return gone
	}
	err = f.Store.RevokeToken(ctx, id, now(f.Clock))
	// Also after an error: the store may have done it and not been able to say so.
	f.Identities.Changed()
	if fault.Is(err, fault.NotFound) {
		return gone
	}
	return err
}
