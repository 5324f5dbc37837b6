package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/page"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/store"
)

// tokenKey is the place in a list of tokens.
type tokenKey struct {
	Micros int64  `json:"t"`
	ID     string `json:"i"`
}

// ListTokens returns a page of tokens, newest first, and the token of the next page: of one principal, which for other
// callers than admins is themselves, or of all.
func (f *Principals) ListTokens(ctx context.Context, caller auth.Principal, principal string, size int32, token string) ([]domain.Token, string, error) {
	const op = "flow.ListTokens"
	principal, err := named(op, caller, principal)
	if err != nil {
		return nil, "", err
	}
	if principal == "" && !caller.IsAdmin() {
		principal = caller.Name
	}
	if principal != caller.Name {
		if err := admin(op, caller); err != nil {
			return nil, "", err
		}
	}
	limit, err := page.Size(size, defaultPage, maxPage)
	if err != nil {
		return nil, "", err
	}
	var key tokenKey
	if err := page.Decode(token, &key); err != nil {
		return nil, "", err
	}
	if !domain.Storable(key.ID) {
		return nil, "", nil
	}
	rows, err := f.Store.ListTokens(ctx, principal, store.TokenKey{CreateTime: sqlkit.Time(key.Micros), ID: key.ID}, limit+1)
	if err != nil {
		return nil, "", err
	}
	next := ""
	if len(rows) > limit {
		rows = rows[:limit]
		last := rows[limit-1]
		next = page.Encode(tokenKey{Micros: sqlkit.Micros(last.CreateTime), ID: last.ID})
	}
	for i := range rows {
		rows[i].LastUsedTime = f.Identities.LastUsed(rows[i])
	}
	return rows, next, nil
}
