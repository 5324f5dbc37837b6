package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

// PutProvider creates or replaces a provider; its key is sealed before the store sees it. Admins only.
func (f *Providers) PutProvider(ctx context.Context, caller auth.Principal, want PutProvider) (domain.Provider, error) {
	const op = "flow.PutProvider"
	if err := admin(op, caller); err != nil {
		return domain.Provider{}, err
	}
	if want.Name == "" || !domain.Storable(want.Name) {
		return domain.Provider{}, fault.New(op, fault.Invalid, "a provider needs a name").WithReason("NAME_INVALID")
	}
	url, err := domain.BaseURL(want.BaseURL, f.AllowLinkLocal)
	if err != nil {
		return domain.Provider{}, err
	}
	p := domain.Provider{Name: want.Name, BaseURL: url, CreateTime: now(f.Clock)}
	p.UpdateTime = p.CreateTime
	var sealed domain.Sealed
	if key := want.Key.Reveal(); key != "" {
		if err := domain.CheckKey(key); err != nil {
			return domain.Provider{}, err
		}
		if sealed, err = f.Sealer.Seal(key, want.Name); err != nil {
			return domain.Provider{}, err
		}
		p.KeyHint = domain.KeyHint(key)
	}
	stored, err := f.Store.PutProvider(ctx, p, sealed)
	// Also after an error: the store may have done it and not been able to say so.
	f.Changed()
	return stored, err
}
