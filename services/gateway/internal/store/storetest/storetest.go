// Package storetest is what every store of the gateway must do. A backend's test opens a fresh store per test and calls
// Run.
package storetest

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/store"
)

// Open makes an empty store that lives as long as the test.
type Open func(t *testing.T) store.Store

// Run proves the contract.
func Run(t *testing.T, open Open) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, store.Store){
		"a principal comes back as it was put":               principalRoundTrip,
		"ensuring a principal keeps the one that is there":   ensureKeeps,
		"names are compared byte by byte":                    namesAreBytes,
		"principals are listed page by page in byte order":   principalPages,
		"a token is found by its hash with its principal":    tokenByHash,
		"a token needs a principal":                          tokenNeedsPrincipal,
		"two tokens cannot share a hash":                     hashIsUnique,
		"tokens are listed newest first":                     tokenPages,
		"a page survives a change between pages":             pagesSurviveChange,
		"a token is revoked once":                            revokeOnce,
		"of many revocations at once one succeeds":           revokeRace,
		"the time of last use never moves back":              touchMonotonic,
		"a sweep takes what ended long ago and nothing else": sweep,
		"a provider keeps its key when none is given":        providerKeepsKey,
		"a provider without a key has none":                  providerWithoutKey,
		"a deleted provider is gone with its key":            providerDelete,
		"providers are listed by name":                       providerPages,
		"a keyset replaces the revision before it only":      keysetRevisions,
		"of many keysets at once one wins each revision":     keysetRace,
		"unicode and long texts come back unchanged":         unicode,
		"what is not there is not found":                     notFound,
		"many writers and readers do not disturb each other": manyAtOnce,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// at is a time with microseconds, n seconds after a beginning.
func at(n int) time.Time {
	return time.Date(2026, 2, 3, 4, 5, 6, 789012000, time.UTC).Add(time.Duration(n) * time.Second)
}

func principal(name string) domain.Principal {
	return domain.Principal{Name: name, Kind: domain.User, Groups: []string{}, CreateTime: at(0), UpdateTime: at(0)}
}

func put(t *testing.T, s store.Store, names ...string) {
	t.Helper()
	for _, n := range names {
		_, err := s.PutPrincipal(t.Context(), principal(n))
		require.NoError(t, err)
	}
}

func hash(n int) domain.TokenHash { return sha256.Sum256(fmt.Append(nil, n)) }

func token(n int, principal string) domain.Token {
	return domain.Token{ID: fmt.Sprintf("token-%03d", n), Principal: principal, Scopes: domain.Scopes{domain.ScopeAll}, Creator: "admin", CreateTime: at(n)}
}

func create(t *testing.T, s store.Store, principal string, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		require.NoError(t, s.CreateToken(t.Context(), token(n, principal), hash(n)))
	}
}

func requireKind(t *testing.T, want fault.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, fault.KindOf(err), "%v", err)
}
