// Package flow is what can be done with principals, tokens and providers: one verb per file. A flow decides whether the
// caller may, applies the rules of package domain, and changes the store. It knows neither how the call came in nor which
// store is behind the interface.
package flow

import (
	"context"
	"net/netip"
	"time"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/store"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// Identities is what answers from memory who a token speaks for. It must hear of every change.
type Identities interface {
	Changed()
	// LastUsed is the newest time of a token's use, also when the store does not know it yet.
	LastUsed(t domain.Token) time.Time
}

// Principals is the verbs on principals and tokens.
type Principals struct {
	Store interface {
		store.Principals
		store.Tokens
	}
	Identities Identities
	Clock      clock.Clock
	IDs        id.Source
}

// Sealer encrypts a secret for its owner.
type Sealer interface {
	Seal(secret, owner string) ([]byte, error)
}

// Providers is the verbs on providers.
type Providers struct {
	Store   store.Providers
	Sealer  Sealer
	Changed func() // told of every change
	Clock   clock.Clock
	// AllowLinkLocal lets a provider be at a link-local or cloud metadata address.
	AllowLinkLocal bool
	// Resolve is what a host name means to this machine.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
}

// PutProvider is the wanted state of a provider. An empty Key keeps the one that is stored.
type PutProvider struct {
	Name, BaseURL string
	Key           config.Secret
}

// now is the time as stores keep it.
func now(c clock.Clock) time.Time { return c.Now().UTC().Truncate(time.Microsecond) }

// admin refuses everybody else.
func admin(op string, caller auth.Principal) error {
	if caller.IsAdmin() {
		return nil
	}
	return fault.New(op, fault.PermissionDenied, "only members of %s may do that", domain.Admins).WithReason("ADMIN_REQUIRED")
}

// named turns "me" into the caller, and refuses names that no store could hold.
func named(op string, caller auth.Principal, name string) (string, error) {
	if name == domain.Me {
		return caller.Name, nil
	}
	if !domain.Storable(name) {
		return "", fault.New(op, fault.NotFound, "no such principal")
	}
	return name, nil
}
