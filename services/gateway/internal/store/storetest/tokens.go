package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/store"
)

func tokenByHash(t *testing.T, s store.Store) {
	p := principal("ana")
	p.Groups = []string{"team"}
	_, err := s.PutPrincipal(t.Context(), p)
	require.NoError(t, err)
	want := domain.Token{
		ID: "t1", Principal: "ana", Comment: "ci", Scopes: domain.Scopes{domain.ScopeInference, domain.ScopeRead}, Creator: "admin",
		CreateTime: at(1), ExpireTime: at(2), LastUsedTime: at(3),
	}
	require.NoError(t, s.CreateToken(t.Context(), want, hash(1)))
	tok, who, err := s.TokenByHash(t.Context(), hash(1))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, tok))
	require.Empty(t, cmp.Diff(p, who))
	byID, err := s.Token(t.Context(), "t1")
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, byID))
}

func tokenNeedsPrincipal(t *testing.T, s store.Store) {
	err := s.CreateToken(t.Context(), token(1, "nobody"), hash(1))
	requireKind(t, fault.NotFound, err)
	require.Contains(t, fault.Text(err), "nobody")
}

func hashIsUnique(t *testing.T, s store.Store) {
	put(t, s, "ana")
	create(t, s, "ana", 1)
	requireKind(t, fault.AlreadyExists, s.CreateToken(t.Context(), token(2, "ana"), hash(1)))
}

func tokenPages(t *testing.T, s store.Store) {
	put(t, s, "ana", "bob")
	create(t, s, "ana", 1, 3, 5)
	create(t, s, "bob", 2, 4)
	same := token(6, "bob") // the same microsecond as token 5: the id decides
	same.CreateTime = at(5)
	require.NoError(t, s.CreateToken(t.Context(), same, hash(6)))
	require.Equal(t, []string{"token-006", "token-005", "token-004", "token-003", "token-002", "token-001"}, tokens(t, s, "", 1))
	require.Equal(t, []string{"token-005", "token-003", "token-001"}, tokens(t, s, "ana", 2))
	require.Empty(t, tokens(t, s, "nobody", 2))
}

func pagesSurviveChange(t *testing.T, s store.Store) {
	put(t, s, "ana")
	create(t, s, "ana", 1, 2, 3, 4)
	first, err := s.ListTokens(t.Context(), "", store.TokenKey{}, 2)
	require.NoError(t, err)
	require.NoError(t, s.RevokeToken(t.Context(), "token-003", at(10))) // the last one seen
	require.NoError(t, s.CreateToken(t.Context(), token(5, "ana"), hash(5)))
	second, err := s.ListTokens(t.Context(), "", store.TokenKey{CreateTime: first[1].CreateTime, ID: first[1].ID}, 2)
	require.NoError(t, err)
	require.Equal(t, []string{"token-002", "token-001"}, ids(second))
}

func revokeOnce(t *testing.T, s store.Store) {
	put(t, s, "ana")
	create(t, s, "ana", 1)
	require.NoError(t, s.RevokeToken(t.Context(), "token-001", at(7)))
	requireKind(t, fault.NotFound, s.RevokeToken(t.Context(), "token-001", at(8)))
	tok, _, err := s.TokenByHash(t.Context(), hash(1))
	require.NoError(t, err)
	require.Equal(t, at(7), tok.RevokeTime)
	require.Empty(t, tokens(t, s, "", 10))
}

func revokeRace(t *testing.T, s store.Store) {
	put(t, s, "ana")
	create(t, s, "ana", 1)
	var (
		wait sync.WaitGroup
		won  atomic.Int32
	)
	for i := range 8 {
		wait.Go(func() {
			switch err := s.RevokeToken(t.Context(), "token-001", at(i)); {
			case err == nil:
				won.Add(1)
			case !fault.Is(err, fault.NotFound):
				t.Errorf("revoke: %v", err)
			}
		})
	}
	wait.Wait()
	require.EqualValues(t, 1, won.Load())
}

func touchMonotonic(t *testing.T, s store.Store) {
	put(t, s, "ana")
	create(t, s, "ana", 1, 2)
	require.NoError(t, s.TouchTokens(t.Context(), map[string]time.Time{"token-001": at(60), "token-002": at(5), "gone": at(1)}))
	require.NoError(t, s.TouchTokens(t.Context(), map[string]time.Time{"token-001": at(30), "token-002": at(90)}))
	require.NoError(t, s.TouchTokens(t.Context(), nil))
	for id, want := range map[string]time.Time{"token-001": at(60), "token-002": at(90)} {
		tok, err := s.Token(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, tok.LastUsedTime)
	}
}

func sweep(t *testing.T, s store.Store) {
	put(t, s, "ana")
	create(t, s, "ana", 1, 2, 3) // 1 lives for ever, 2 and 3 are revoked
	expired, live := token(4, "ana"), token(5, "ana")
	expired.ExpireTime, live.ExpireTime = at(10), at(100)
	require.NoError(t, s.CreateToken(t.Context(), expired, hash(4)))
	require.NoError(t, s.CreateToken(t.Context(), live, hash(5)))
	require.NoError(t, s.RevokeToken(t.Context(), "token-002", at(20)))
	require.NoError(t, s.RevokeToken(t.Context(), "token-003", at(60)))
	n, err := s.SweepTokens(t.Context(), at(50))
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	for id, kept := range map[string]bool{"token-001": true, "token-002": false, "token-003": true, "token-004": false, "token-005": true} {
		_, err := s.Token(t.Context(), id)
		require.Equal(t, kept, err == nil, id)
	}
}

func manyAtOnce(t *testing.T, s store.Store) {
	put(t, s, "ana")
	const writers, each = 6, 8
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			for i := range each {
				n := w*each + i
				if err := s.CreateToken(t.Context(), token(n, "ana"), hash(n)); err != nil {
					t.Errorf("create: %v", err)
				}
				if _, _, err := s.TokenByHash(t.Context(), hash(n)); err != nil {
					t.Errorf("a token is not seen by the one who made it: %v", err)
				}
				used := map[string]time.Time{}
				for k := range n + 1 {
					used[fmt.Sprintf("token-%03d", k)] = at(1000 + n)
				}
				if err := s.TouchTokens(t.Context(), used); err != nil {
					t.Errorf("touch: %v", err)
				}
			}
		})
	}
	wait.Wait()
	require.Len(t, tokens(t, s, "", 100), writers*each)
}

// tokens lists a principal's tokens in pages of a size.
func tokens(t *testing.T, s store.Store, principal string, size int) (got []string) {
	t.Helper()
	for after := (store.TokenKey{}); ; {
		page, err := s.ListTokens(t.Context(), principal, after, size)
		require.NoError(t, err)
		if len(page) == 0 {
			return got
		}
		got = append(got, ids(page)...)
		last := page[len(page)-1]
		after = store.TokenKey{CreateTime: last.CreateTime, ID: last.ID}
	}
}

func ids(ts []domain.Token) (out []string) {
	for _, t := range ts {
		out = append(out, t.ID)
	}
	return out
}
