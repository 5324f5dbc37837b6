package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

// GetProvider returns a provider without its key. Admins only.
func (f *Providers) GetProvider(ctx context.Context, caller auth.Principal, name string) (domain.Provider, error) {
	const op = "flow.GetProvider"
	if err := admin(op, caller); err != nil {
		return domain.Provider{}, err
	}
	if !domain.Storable(name) {
		return domain.Provider{}, fault.New(op, fault.NotFound, "no such provider")
	}
	p, _, err := f.Store.Provider(ctx, name)
	return p, err
}

// ListProviders returns a page of providers by name, and the token of the next. Admins only.
func (f *Providers) ListProviders(ctx context.Context, caller auth.Principal, size int32, token string) ([]domain.Provider, string, error) {
	if err := admin("flow.ListProviders", caller); err != nil {
		return nil, "", err
	}
	return byName(size, token, func(p domain.Provider) string { return p.Name },
		func(after string, limit int) ([]domain.Provider, error) {
			return f.Store.ListProviders(ctx, after, limit)
		})
}
