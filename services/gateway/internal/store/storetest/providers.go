package storetest

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/store"
)

func provider(name string) domain.Provider {
	return domain.Provider{Name: name, BaseURL: "https://" + name + "/v1", KeyHint: "sk-…9f3a", CreateTime: at(1), UpdateTime: at(1)}
}

func providerKeepsKey(t *testing.T, s store.Store) {
	sealed := domain.Sealed{0, 1, 2, 255, 0}
	stored, err := s.PutProvider(t.Context(), provider("openai"), sealed)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(provider("openai"), stored))

	moved := domain.Provider{Name: "openai", BaseURL: "https://elsewhere/v1", CreateTime: at(5), UpdateTime: at(5)}
	stored, err = s.PutProvider(t.Context(), moved, nil)
	require.NoError(t, err)
	want := domain.Provider{Name: "openai", BaseURL: "https://elsewhere/v1", KeyHint: "sk-…9f3a", CreateTime: at(1), UpdateTime: at(5)}
	require.Empty(t, cmp.Diff(want, stored))
	got, key, err := s.Provider(t.Context(), "openai")
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got))
	require.Equal(t, sealed, key)

	want.KeyHint, want.UpdateTime = "sk-…0000", at(6)
	_, err = s.PutProvider(t.Context(), want, domain.Sealed{9})
	require.NoError(t, err)
	got, key, err = s.Provider(t.Context(), "openai")
	require.NoError(t, err)
	require.Equal(t, "sk-…0000", got.KeyHint)
	require.Equal(t, domain.Sealed{9}, key)
}

func providerWithoutKey(t *testing.T, s store.Store) {
	p := provider("local")
	p.KeyHint = ""
	_, err := s.PutProvider(t.Context(), p, nil)
	require.NoError(t, err)
	got, key, err := s.Provider(t.Context(), "local")
	require.NoError(t, err)
	require.Empty(t, key)
	require.False(t, got.HasKey())
}

func providerDelete(t *testing.T, s store.Store) {
	_, err := s.PutProvider(t.Context(), provider("openai"), domain.Sealed{1})
	require.NoError(t, err)
	require.NoError(t, s.DeleteProvider(t.Context(), "openai"))
	requireKind(t, fault.NotFound, s.DeleteProvider(t.Context(), "openai"))
	p := provider("openai")
	p.KeyHint = ""
	_, err = s.PutProvider(t.Context(), p, nil)
	require.NoError(t, err)
	_, key, err := s.Provider(t.Context(), "openai")
	require.NoError(t, err)
	require.Empty(t, key, "a new provider of an old name must not inherit the old key")
}

func providerPages(t *testing.T, s store.Store) {
	for _, n := range []string{"b", "a", "B", "c"} {
		_, err := s.PutProvider(t.Context(), provider(n), nil)
		require.NoError(t, err)
	}
	first, err := s.ListProviders(t.Context(), "", 3)
	require.NoError(t, err)
	rest, err := s.ListProviders(t.Context(), first[2].Name, 3)
	require.NoError(t, err)
	var names []string
	for _, p := range append(first, rest...) {
		names = append(names, p.Name)
	}
	require.Equal(t, []string{"B", "a", "b", "c"}, names)
}

func keyset(revision int64, sealed string) domain.Keyset {
	return domain.Keyset{Name: "providers", Revision: revision, Sealed: []byte(sealed), RotateTime: at(int(revision))}
}

func keysetRevisions(t *testing.T, s store.Store) {
	requireKind(t, fault.Aborted, s.PutKeyset(t.Context(), keyset(2, "no first")))
	require.NoError(t, s.PutKeyset(t.Context(), keyset(1, "one")))
	requireKind(t, fault.Aborted, s.PutKeyset(t.Context(), keyset(1, "one again")))
	requireKind(t, fault.Aborted, s.PutKeyset(t.Context(), keyset(3, "three")))
	require.NoError(t, s.PutKeyset(t.Context(), keyset(2, "two")))
	got, err := s.Keyset(t.Context(), "providers")
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(keyset(2, "two"), got))
}

func keysetRace(t *testing.T, s store.Store) {
	for revision := int64(1); revision <= 4; revision++ {
		var (
			wait sync.WaitGroup
			won  atomic.Int32
		)
		for range 6 {
			wait.Go(func() {
				switch err := s.PutKeyset(t.Context(), keyset(revision, "x")); {
				case err == nil:
					won.Add(1)
				case !fault.Is(err, fault.Aborted):
					t.Errorf("put: %v", err)
				}
			})
		}
		wait.Wait()
		require.EqualValues(t, 1, won.Load(), "revision %d", revision)
	}
}
