package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

// DeleteProvider removes a provider and its key. Admins only. Endpoints that name it fail from then on.
func (f *Providers) DeleteProvider(ctx context.Context, caller auth.Principal, name string) error {
	const op = "flow.DeleteProvider"
	if err := admin(op, caller); err != nil {
		return err
	}
	if !domain.Storable(name) {
		return fault.New(op, fault.NotFound, "no such provider")
	}
	err := f.Store.DeleteProvider(ctx, name)
	f.Changed()
	return err
}
