package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/page"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

// nameKey is the place in a list that is ordered by name.
type nameKey struct {
	Name string `json:"n"`
}

// ListPrincipals returns a page of principals by name, and the token of the next. Admins only.
func (f *Principals) ListPrincipals(ctx context.Context, caller auth.Principal, size int32, token string) ([]domain.Principal, string, error) {
	if err := admin("flow.ListPrincipals", caller); err != nil {
		return nil, "", err
	}
	return byName(size, token, func(p domain.Principal) string { return p.Name },
		func(after string, limit int) ([]domain.Principal, error) {
			return f.Store.ListPrincipals(ctx, after, limit)
		})
}

// byName cuts a list that is ordered by name. One row more than asked tells whether there is a next page.
func byName[T any](size int32, token string, name func(T) string, list func(after string, limit int) ([]T, error)) ([]T, string, error) {
	limit, err := page.Size(size, defaultPage, maxPage)
	if err != nil {
		return nil, "", err
	}
	var key nameKey
	if err := page.Decode(token, &key); err != nil {
		return nil, "", err
	}
	if !domain.Storable(key.Name) {
		return nil, "", nil // nothing can come after a name that nothing has
	}
	rows, err := list(key.Name, limit+1)
	if err != nil || len(rows) <= limit {
		return rows, "", err
	}
	rows = rows[:limit]
	return rows, page.Encode(nameKey{Name: name(rows[limit-1])}), nil
}
