package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/store"
)

func principalRoundTrip(t *testing.T, s store.Store) {
	want := domain.Principal{
		Name: "ana@example.com", Kind: domain.ServiceAccount, Groups: []string{"admins", "équipe 1"}, Disabled: true,
		RequestsPerMinute: domain.Unlimited, CreateTime: at(1), UpdateTime: at(2),
	}
	stored, err := s.PutPrincipal(t.Context(), want)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, stored))
	got, err := s.Principal(t.Context(), want.Name)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got))

	next := domain.Principal{Name: want.Name, Kind: domain.User, Groups: []string{}, RequestsPerMinute: 60, CreateTime: at(9), UpdateTime: at(9)}
	stored, err = s.PutPrincipal(t.Context(), next)
	require.NoError(t, err)
	next.CreateTime = want.CreateTime
	require.Empty(t, cmp.Diff(next, stored))
}

func ensureKeeps(t *testing.T, s store.Store) {
	created, err := s.EnsurePrincipal(t.Context(), principal("admin"))
	require.NoError(t, err)
	require.True(t, created)
	other := principal("admin")
	other.Disabled = true
	created, err = s.EnsurePrincipal(t.Context(), other)
	require.NoError(t, err)
	require.False(t, created)
	got, err := s.Principal(t.Context(), "admin")
	require.NoError(t, err)
	require.False(t, got.Disabled)
}

func namesAreBytes(t *testing.T, s store.Store) {
	names := []string{"Ana", "ana", "a", "A", "ä", "a\u0308", "straße", "strasse", "Z", "z", "_", "-", "日本"}
	put(t, s, names...)
	all, err := s.ListPrincipals(t.Context(), "", 100)
	require.NoError(t, err)
	slices.Sort(names)
	require.Equal(t, names, namesOf(all))
	_, err = s.Principal(t.Context(), "ANA")
	requireKind(t, fault.NotFound, err)
}

func principalPages(t *testing.T, s store.Store) {
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("p%02d", i))
	}
	put(t, s, want...)
	var got []string
	for after := ""; ; {
		page, err := s.ListPrincipals(t.Context(), after, 10)
		require.NoError(t, err)
		got = append(got, namesOf(page)...)
		if len(page) < 10 {
			break
		}
		after = page[len(page)-1].Name
	}
	require.Equal(t, want, got)
}

func unicode(t *testing.T, s store.Store) {
	p := principal("用户@例え.jp")
	p.Groups = []string{"группа", "🚢"}
	_, err := s.PutPrincipal(t.Context(), p)
	require.NoError(t, err)
	tok := token(1, p.Name)
	tok.Comment = strings.Repeat("é", 512) + `"\' $1 %s ; drop table tokens; --`
	require.NoError(t, s.CreateToken(t.Context(), tok, hash(1)))
	gotToken, gotPrincipal, err := s.TokenByHash(t.Context(), hash(1))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(tok, gotToken))
	require.Empty(t, cmp.Diff(p, gotPrincipal))
}

func notFound(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, err := s.Principal(ctx, "nobody")
	requireKind(t, fault.NotFound, err)
	_, err = s.Token(ctx, "none")
	requireKind(t, fault.NotFound, err)
	_, _, err = s.TokenByHash(ctx, hash(1))
	requireKind(t, fault.NotFound, err)
	requireKind(t, fault.NotFound, s.RevokeToken(ctx, "none", at(0)))
	_, _, err = s.Provider(ctx, "none")
	requireKind(t, fault.NotFound, err)
	requireKind(t, fault.NotFound, s.DeleteProvider(ctx, "none"))
	_, err = s.Keyset(ctx, "none")
	requireKind(t, fault.NotFound, err)
	require.NoError(t, s.Ping(ctx))
}

func namesOf(ps []domain.Principal) (names []string) {
	for _, p := range ps {
		names = append(names, p.Name)
	}
	return names
}
