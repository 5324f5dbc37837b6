package flow_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/flow"
	"github.com/slipway-ai/slipway/services/gateway/internal/identity"
	"github.com/slipway-ai/slipway/services/gateway/internal/keys"
	"github.com/slipway-ai/slipway/services/gateway/internal/store"
)

var (
	root = auth.Principal{Name: "admin", Kind: auth.User, Groups: []string{"admins"}}
	ana  = auth.Principal{Name: "ana", Kind: auth.User}
	bob  = auth.Principal{Name: "bob", Kind: auth.User}
)

// house is the flows on a real store with a clock that stands still.
type house struct {
	*flow.Principals
	providers *flow.Providers
	store     *store.SQL
	who       *identity.Authenticator
	clock     *clock.Fake
	dir       string
	changes   int
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{dir: t.TempDir(), clock: clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	h.store = store.New(testkit.OpenStore(t, "sqlite://"+filepath.Join(h.dir, "gateway.db"), store.Migrations()))
	h.who = identity.New(identity.Options{
		Store: h.store, Clock: h.clock, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), TTL: time.Hour, Capacity: 100,
	})
	master, err := keys.LoadMaster("", filepath.Join(h.dir, "master.key"))
	require.NoError(t, err)
	ring, err := keys.OpenRing(t.Context(), "providers", master, h.store, h.clock)
	require.NoError(t, err)
	h.Principals = &flow.Principals{Store: h.store, Identities: h.who, Clock: h.clock, IDs: id.UUIDv7()}
	h.providers = &flow.Providers{Store: h.store, Sealer: ring, Changed: func() { h.changes++ }, Clock: h.clock, Resolve: resolve}
	for _, name := range []string{"ana", "bob"} {
		_, err := h.PutPrincipal(t.Context(), root, domain.Principal{Name: name, Kind: domain.User})
		require.NoError(t, err)
	}
	return h
}

// resolve knows two names.
func resolve(_ context.Context, host string) ([]netip.Addr, error) {
	switch host {
	case "elsewhere":
		return []netip.Addr{netip.MustParseAddr("192.0.2.7")}, nil
	case "innocent.example":
		return []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("169.254.169.254")}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func requireReason(t *testing.T, want string, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, fault.Reason(err), "%v", err)
}

func TestOnlyAdminsChangePrincipalsAndSeeOthers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, err := h.PutPrincipal(t.Context(), ana, domain.Principal{Name: "ana", Groups: []string{"admins"}})
	requireReason(t, "ADMIN_REQUIRED", err)
	_, _, err = h.ListPrincipals(t.Context(), ana, 0, "")
	requireReason(t, "ADMIN_REQUIRED", err)
	_, err = h.GetPrincipal(t.Context(), ana, "bob")
	requireReason(t, "ADMIN_REQUIRED", err)
	me, err := h.GetPrincipal(t.Context(), ana, "me")
	require.NoError(t, err)
	require.Equal(t, "ana", me.Name)
	_, err = h.GetPrincipal(t.Context(), root, "no\x00body")
	require.True(t, fault.Is(err, fault.NotFound))
}

func TestAnAdminCannotShutThemselvesOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, p := range []domain.Principal{
		{Name: "admin", Groups: []string{"admins"}, Disabled: true}, {Name: "admin", Groups: []string{"other"}},
	} {
		_, err := h.PutPrincipal(t.Context(), root, p)
		requireReason(t, "SELF_LOCKOUT", err)
	}
	_, err := h.PutPrincipal(t.Context(), root, domain.Principal{Name: "admin", Groups: []string{"admins"}, RequestsPerMinute: 5})
	require.NoError(t, err)
}

func TestPrincipalsComeInPages(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first, next, err := h.ListPrincipals(t.Context(), root, 1, "")
	require.NoError(t, err)
	require.Equal(t, "ana", first[0].Name)
	second, end, err := h.ListPrincipals(t.Context(), root, 1, next)
	require.NoError(t, err)
	require.Equal(t, "bob", second[0].Name)
	require.Empty(t, end)
	_, _, err = h.ListPrincipals(t.Context(), root, 1, "not a token")
	requireReason(t, "PAGE_TOKEN_INVALID", err)
}

func TestTokensAreMadeForOneselfOrByAdmins(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	tok, text, err := h.CreateToken(t.Context(), ana, flow.NewToken{Comment: "ci", Lifetime: time.Hour})
	require.NoError(t, err)
	require.Equal(t, "ana", tok.Principal)
	require.Equal(t, h.clock.Now().Add(time.Hour), tok.ExpireTime)
	require.Equal(t, "[redacted]", text.String())
	hash, err := domain.ParseToken(text.Reveal())
	require.NoError(t, err)
	_, who, err := h.store.TokenByHash(t.Context(), hash)
	require.NoError(t, err)
	require.Equal(t, "ana", who.Name)

	_, _, err = h.CreateToken(t.Context(), ana, flow.NewToken{Principal: "bob"})
	requireReason(t, "ADMIN_REQUIRED", err)
	tok, _, err = h.CreateToken(t.Context(), root, flow.NewToken{Principal: "bob"})
	require.NoError(t, err)
	require.Equal(t, "admin", tok.Creator)
	_, _, err = h.CreateToken(t.Context(), root, flow.NewToken{Principal: "nobody"})
	require.True(t, fault.Is(err, fault.NotFound))
}

func TestWrongTokensAreNotMade(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, err := h.PutPrincipal(t.Context(), root, domain.Principal{Name: "off", Disabled: true})
	require.NoError(t, err)
	for reason, want := range map[string]flow.NewToken{
		"LIFETIME_INVALID":   {Lifetime: -time.Second},
		"SCOPE_INVALID":      {Scopes: []string{"root"}},
		"COMMENT_INVALID":    {Comment: "a\x00b"},
		"PRINCIPAL_DISABLED": {Principal: "off"},
	} {
		_, _, err := h.CreateToken(t.Context(), root, want)
		requireReason(t, reason, err)
	}
	limited := auth.Principal{Name: "ana", Kind: auth.User, Scopes: []string{"read"}}
	_, _, err = h.CreateToken(t.Context(), limited, flow.NewToken{})
	requireReason(t, "SCOPE_ESCALATION", err)
	_, _, err = h.CreateToken(t.Context(), limited, flow.NewToken{Scopes: []string{"read"}})
	require.NoError(t, err)
}

func TestOneSeesAndRevokesOnesOwnTokensAndAdminsAll(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	mine, _, err := h.CreateToken(t.Context(), ana, flow.NewToken{})
	require.NoError(t, err)
	h.clock.Advance(time.Second)
	theirs, _, err := h.CreateToken(t.Context(), bob, flow.NewToken{})
	require.NoError(t, err)
	list := func(who auth.Principal, of string) (ids []string) {
		for token := ""; ; {
			page, next, err := h.ListTokens(t.Context(), who, of, 1, token)
			require.NoError(t, err)
			for _, x := range page {
				ids = append(ids, x.ID)
			}
			if token = next; token == "" {
				return ids
			}
		}
	}
	require.Equal(t, []string{mine.ID}, list(ana, ""))
	require.Equal(t, []string{theirs.ID, mine.ID}, list(root, ""))
	require.Equal(t, []string{mine.ID}, list(root, "ana"))
	require.Empty(t, list(root, "me"))
	_, _, err = h.ListTokens(t.Context(), ana, "bob", 0, "")
	requireReason(t, "ADMIN_REQUIRED", err)

	err = h.RevokeToken(t.Context(), ana, theirs.ID)
	require.True(t, fault.Is(err, fault.NotFound))
	require.Equal(t, fault.Text(err), fault.Text(h.RevokeToken(t.Context(), ana, "no-such-id")), "another's token looks like none")
	require.NoError(t, h.RevokeToken(t.Context(), root, theirs.ID))
	require.True(t, fault.Is(h.RevokeToken(t.Context(), root, theirs.ID), fault.NotFound))
	require.NoError(t, h.RevokeToken(t.Context(), ana, mine.ID))
}

func TestTheFirstStartWritesATokenThatWorksAndKeepsIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	file := filepath.Join(h.dir, "sub", "admin.token")
	read := func() string {
		b, err := os.ReadFile(file) //nolint:gosec // the test's own directory
		require.NoError(t, err)
		return string(b)
	}
	start := func() string {
		require.NoError(t, h.FirstStart(t.Context(), file, slog.New(slog.DiscardHandler)))
		return read()
	}
	first := start()
	require.Equal(t, first, start(), "kept")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	tokens, _, err := h.ListTokens(t.Context(), root, "admin", 0, "")
	require.NoError(t, err)
	require.Len(t, tokens, 1)
	require.NoError(t, h.RevokeToken(t.Context(), root, tokens[0].ID))
	second := start()
	require.NotEqual(t, first, second, "a revoked token is replaced")
	require.NoError(t, os.WriteFile(file, []byte("garbage"), 0o600))
	require.NotEqual(t, second, start())
	require.NoError(t, os.Chmod(file, 0o644)) //nolint:gosec // the fault under test
	requireReason(t, "SECRET_FILE_EXPOSED", h.FirstStart(t.Context(), file, slog.New(slog.DiscardHandler)))
}

func TestNoTokenIsWrittenForADisabledAdmin(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	other := auth.Principal{Name: "other", Groups: []string{"admins"}}
	_, err := h.PutPrincipal(t.Context(), other, domain.Principal{Name: "admin", Disabled: true})
	require.NoError(t, err)
	file := filepath.Join(h.dir, "admin.token")
	require.NoError(t, h.FirstStart(t.Context(), file, slog.New(slog.DiscardHandler)))
	require.NoFileExists(t, file)
}

func TestAProvidersKeyIsSealedDifferentlyEachTimeAndNowhereInTheFile(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const key = "sk-live-0123456789abcdefghij"
	var sealed []domain.Sealed
	for range 2 {
		p, err := h.providers.PutProvider(t.Context(), root, flow.PutProvider{Name: "openai", BaseURL: "https://API.openai.com/v1/", Key: key})
		require.NoError(t, err)
		require.Equal(t, "https://api.openai.com/v1", p.BaseURL)
		require.Equal(t, "sk-…ghij", p.KeyHint)
		_, s, err := h.store.Provider(t.Context(), "openai")
		require.NoError(t, err)
		require.NotContains(t, string(s), key)
		sealed = append(sealed, s)
	}
	require.NotEqual(t, sealed[0], sealed[1])
	require.Equal(t, 2, h.changes)
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(h.dir, "gateway.db"+suffix)) //nolint:gosec // the test's own directory
		require.NoError(t, err)
		require.NotContains(t, string(b), key)
	}
	p, err := h.providers.PutProvider(t.Context(), root, flow.PutProvider{Name: "openai", BaseURL: "https://elsewhere/v1"})
	require.NoError(t, err)
	require.True(t, p.HasKey(), "an empty key keeps the stored one")
}

func TestProvidersAreForAdmins(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	_, err := h.providers.PutProvider(ctx, ana, flow.PutProvider{Name: "x", BaseURL: "https://x/v1"})
	requireReason(t, "ADMIN_REQUIRED", err)
	_, err = h.providers.GetProvider(ctx, ana, "x")
	requireReason(t, "ADMIN_REQUIRED", err)
	_, _, err = h.providers.ListProviders(ctx, ana, 0, "")
	requireReason(t, "ADMIN_REQUIRED", err)
	requireReason(t, "ADMIN_REQUIRED", h.providers.DeleteProvider(ctx, ana, "x"))
	for reason, want := range map[string]flow.PutProvider{
		"NAME_INVALID":       {BaseURL: "https://x/v1"},
		"BASE_URL_INVALID":   {Name: "x", BaseURL: "https://u:p@x/v1"},
		"BASE_URL_FORBIDDEN": {Name: "x", BaseURL: "http://innocent.example/v1"},
		"API_KEY_INVALID":    {Name: "x", BaseURL: "https://x/v1", Key: "a\nb"},
	} {
		_, err := h.providers.PutProvider(ctx, root, want)
		requireReason(t, reason, err)
	}
	for _, n := range []string{"b", "a"} {
		_, err := h.providers.PutProvider(ctx, root, flow.PutProvider{Name: n, BaseURL: "https://x/v1"})
		require.NoError(t, err)
	}
	list, next, err := h.providers.ListProviders(ctx, root, 1, "")
	require.NoError(t, err)
	require.Equal(t, "a", list[0].Name)
	require.NotEmpty(t, next)
	require.NoError(t, h.providers.DeleteProvider(ctx, root, "a"))
	_, err = h.providers.GetProvider(ctx, root, "a")
	require.True(t, fault.Is(err, fault.NotFound))
}
