package flow

import (
	"context"
	"slices"
	"time"

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
	if err := f.checkAddress(ctx, url); err != nil {
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

// resolveWithin bounds the look at what a provider's name means.
const resolveWithin = 2 * time.Second

// checkAddress refuses a name behind which a forbidden address lies. A name that cannot be resolved is accepted: the
// provider may not be up yet, or be known to other machines only.
func (f *Providers) checkAddress(ctx context.Context, baseURL string) error {
	if f.AllowLinkLocal {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveWithin)
	defer cancel()
	addresses, err := f.Resolve(ctx, domain.Host(baseURL))
	if err == nil && slices.ContainsFunc(addresses, domain.MetadataAddress) {
		return fault.New("flow.PutProvider", fault.Invalid, "base_url points at a link-local or cloud metadata address").WithReason("BASE_URL_FORBIDDEN")
	}
	return nil
}
