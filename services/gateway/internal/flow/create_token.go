package flow

import (
	"context"
	"time"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

// maxLifetime is how long a token that ends may live; one that shall live longer need not end.
const maxLifetime = 100 * 365 * 24 * time.Hour

// NewToken says what token is wanted.
type NewToken struct {
	Principal string // "" or "me": the caller
	Comment   string
	Scopes    []string      // none: all
	Lifetime  time.Duration // 0: for ever
}

// CreateToken makes a token and returns its text, which is nowhere else: for oneself, or for anybody by admins. A token
// never allows more than the one it was made with.
func (f *Principals) CreateToken(ctx context.Context, caller auth.Principal, want NewToken) (domain.Token, config.Secret, error) {
	const op = "flow.CreateToken"
	scopes, err := f.checkToken(op, caller, &want)
	if err != nil {
		return domain.Token{}, "", err
	}
	owner, err := f.Store.Principal(ctx, want.Principal)
	if err != nil {
		return domain.Token{}, "", err
	}
	if owner.Disabled {
		return domain.Token{}, "", fault.New(op, fault.FailedPrecondition, "principal %q is disabled", owner.Name).WithReason("PRINCIPAL_DISABLED")
	}
	t := domain.Token{
		ID: f.IDs.New(), Principal: owner.Name, Comment: want.Comment, Scopes: scopes, Creator: caller.Name, CreateTime: now(f.Clock),
	}
	if want.Lifetime > 0 {
		t.ExpireTime = t.CreateTime.Add(want.Lifetime).Truncate(time.Microsecond)
	}
	text := domain.NewTokenText()
	hash, err := domain.ParseToken(text)
	if err != nil {
		return domain.Token{}, "", fault.Wrap(op, fault.Internal, err, "internal error")
	}
	if err := f.Store.CreateToken(ctx, t, hash); err != nil {
		return domain.Token{}, "", err
	}
	return t, config.Secret(text), nil
}

func (f *Principals) checkToken(op string, caller auth.Principal, want *NewToken) (domain.Scopes, error) {
	if want.Principal == "" {
		want.Principal = domain.Me
	}
	name, err := named(op, caller, want.Principal)
	if err != nil {
		return nil, err
	}
	want.Principal = name
	if name != caller.Name {
		if err := admin(op, caller); err != nil {
			return nil, err
		}
	}
	if want.Lifetime < 0 || want.Lifetime > maxLifetime {
		return nil, fault.New(op, fault.Invalid, "a token lives for a positive time of at most 100 years, or for ever without one").WithReason("LIFETIME_INVALID")
	}
	if err := domain.CheckComment(want.Comment); err != nil {
		return nil, err
	}
	scopes, err := domain.ParseScopes(want.Scopes)
	if err != nil {
		return nil, err
	}
	held, err := domain.ParseScopes(caller.Scopes)
	if err != nil || !held.Covers(scopes) {
		return nil, fault.Wrap(op, fault.PermissionDenied, err, "a token cannot make one that allows more than itself").WithReason("SCOPE_ESCALATION")
	}
	return scopes, nil
}
