// Package store keeps what the gateway must not forget: principals, tokens, providers and the keyset that seals their
// keys. One implementation serves SQLite and PostgreSQL; package storetest holds what both must do.
//
// The contract, for every method:
//
//   - Errors are faults. A name that is not there is NotFound, one that is taken AlreadyExists, a store that does not
//     answer Unavailable. Nothing else is promised about their text, and no secret is ever in it.
//   - What a method returned is durable, and seen by every later call of this process. On PostgreSQL other processes see
//     it at once.
//   - Names are compared byte by byte: "Ana" and "ana" are two principals. Lists are in the order of those bytes.
//   - Times keep microseconds, in UTC; the zero time means never.
//   - A list returns at most limit rows after the given key. A row inserted or deleted between two pages neither repeats
//     nor hides another.
//
// What is not promised: that a caller's text fits. Callers check names and texts first (package domain).
package store

import (
	"context"
	"embed"
	"time"

	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

// Migrations are the schema's steps, in the folders sqlite and postgres.
//
//go:embed migrations
var migrations embed.FS

// Store is everything that the gateway keeps.
type Store interface {
	Principals
	Tokens
	Providers
	Keysets

	// Ping reports whether the store answers.
	Ping(ctx context.Context) error
	// Close waits for running calls and closes the store.
	Close() error
}

// Principals keeps who may come in.
type Principals interface {
	// PutPrincipal creates or replaces p. CreateTime is taken from p only when it is new; the stored one is returned.
	PutPrincipal(ctx context.Context, p domain.Principal) (domain.Principal, error)
	// EnsurePrincipal creates p unless a principal of that name exists, and reports whether it did.
	EnsurePrincipal(ctx context.Context, p domain.Principal) (created bool, err error)
	Principal(ctx context.Context, name string) (domain.Principal, error)
	// ListPrincipals lists by name, after a name; "" from the first.
	ListPrincipals(ctx context.Context, after string, limit int) ([]domain.Principal, error)
}

// TokenKey is the place of a token in the lists, which are newest first. The zero key is before the newest.
type TokenKey struct {
	CreateTime time.Time
	ID         string
}

// Tokens keeps bearer tokens by their hash.
type Tokens interface {
	// CreateToken stores a token. The principal must exist, or it is NotFound.
	CreateToken(ctx context.Context, t domain.Token, hash domain.TokenHash) error
	// TokenByHash finds a token, also an expired or revoked one, with the principal it speaks for.
	TokenByHash(ctx context.Context, hash domain.TokenHash) (domain.Token, domain.Principal, error)
	Token(ctx context.Context, id string) (domain.Token, error)
	// ListTokens lists the tokens that are not revoked, newest first: one principal's, or all for "".
	ListTokens(ctx context.Context, principal string, after TokenKey, limit int) ([]domain.Token, error)
	// RevokeToken ends a token for good. One that was revoked before is NotFound.
	RevokeToken(ctx context.Context, id string, at time.Time) error
	// TouchTokens notes when tokens were last used, by id. A time never moves back; ids that are gone are passed over.
	TouchTokens(ctx context.Context, used map[string]time.Time) error
	// SweepTokens forgets tokens that were revoked or expired before a time, and returns how many.
	SweepTokens(ctx context.Context, before time.Time) (int64, error)
}

// Providers keeps where external models are.
type Providers interface {
	// PutProvider creates or replaces p. With a nil sealed key the stored key and its hint stay as they are. CreateTime is
	// taken from p only when it is new; the stored provider is returned.
	PutProvider(ctx context.Context, p domain.Provider, sealed domain.Sealed) (domain.Provider, error)
	// Provider returns a provider and its sealed key, which is empty when it has none.
	Provider(ctx context.Context, name string) (domain.Provider, domain.Sealed, error)
	// ListProviders lists by name, after a name; "" from the first.
	ListProviders(ctx context.Context, after string, limit int) ([]domain.Provider, error)
	// DeleteProvider removes a provider and its key.
	DeleteProvider(ctx context.Context, name string) error
}

// Keysets keeps the sealed keysets; see package keys.
type Keysets interface {
	Keyset(ctx context.Context, name string) (domain.Keyset, error)
	// PutKeyset replaces the revision before k's and no other: Aborted when the stored revision is another.
	PutKeyset(ctx context.Context, k domain.Keyset) error
}
