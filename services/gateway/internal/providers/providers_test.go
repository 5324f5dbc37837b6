package providers_test

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/keys"
	"github.com/slipway-ai/slipway/services/gateway/internal/providers"
	"github.com/slipway-ai/slipway/services/gateway/internal/store"
)

const secret = "sk-live-0123456789abcdefghij"

// counted is the real store, counted, and broken when a test wants it so.
type counted struct {
	store.Store
	reads  atomic.Int32
	broken atomic.Bool
}

func (c *counted) Provider(ctx context.Context, name string) (domain.Provider, domain.Sealed, error) {
	c.reads.Add(1)
	if c.broken.Load() {
		return domain.Provider{}, nil, fault.New("counted", fault.Unavailable, "away")
	}
	return c.Store.Provider(ctx, name)
}

type rig struct {
	*providers.Book
	store *counted
	ring  *keys.Ring
	clock *clock.Fake
	log   *bytes.Buffer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{
		store: &counted{Store: store.New(testkit.OpenStore(t, testkit.SQLite(t), store.Migrations()))},
		clock: clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), log: &bytes.Buffer{},
	}
	master, err := keys.LoadMaster("", filepath.Join(t.TempDir(), "master.key"))
	require.NoError(t, err)
	r.ring, err = keys.OpenRing(t.Context(), "providers", master, r.store, r.clock)
	require.NoError(t, err)
	r.Book = providers.New(r.store, r.ring, r.clock, slog.New(slog.NewTextHandler(r.log, nil)))
	return r
}

func (r *rig) put(t *testing.T, name, url, key, owner string) {
	t.Helper()
	var sealed domain.Sealed
	if key != "" {
		var err error
		sealed, err = r.ring.Seal(key, owner)
		require.NoError(t, err)
	}
	_, err := r.store.PutProvider(t.Context(), domain.Provider{Name: name, BaseURL: url, KeyHint: domain.KeyHint(key)}, sealed)
	require.NoError(t, err)
}

func TestAProviderComesWithItsOpenKeyFromMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.put(t, "openai", "https://a/v1", secret, "openai")
	r.put(t, "local", "http://127.0.0.1:1", "", "")
	for range 10 {
		e, ok := r.Lookup("openai")
		require.True(t, ok)
		require.Equal(t, secret, e.Key.Reveal())
		require.Equal(t, "https://a/v1", e.BaseURL)
		_, ok = r.Lookup("nobody")
		require.False(t, ok)
	}
	require.EqualValues(t, 2, r.store.reads.Load())
	e, ok := r.Lookup("local")
	require.True(t, ok)
	require.Empty(t, e.Key.Reveal())
}

func TestAChangeHereCountsAtOnceAndOneElsewhereSoon(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.put(t, "openai", "https://a/v1", secret, "openai")
	_, ok := r.Lookup("openai")
	require.True(t, ok)
	r.put(t, "openai", "https://b/v1", "", "")
	e, _ := r.Lookup("openai")
	require.Equal(t, "https://a/v1", e.BaseURL)
	r.Changed()
	e, _ = r.Lookup("openai")
	require.Equal(t, "https://b/v1", e.BaseURL)
	require.NoError(t, r.store.DeleteProvider(t.Context(), "openai"))
	r.clock.Advance(3 * time.Second)
	_, ok = r.Lookup("openai")
	require.False(t, ok)
}

func TestWhileTheStoreIsAwayWhatWasKnownCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.put(t, "openai", "https://a/v1", secret, "openai")
	_, ok := r.Lookup("openai")
	require.True(t, ok)
	r.store.broken.Store(true)
	r.clock.Advance(time.Minute)
	_, ok = r.Lookup("openai")
	require.True(t, ok)
	_, ok = r.Lookup("other")
	require.False(t, ok)
}

func TestAKeyCopiedFromAnotherProviderIsNotSent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.put(t, "evil", "https://evil/v1", secret, "openai")
	_, ok := r.Lookup("evil")
	require.False(t, ok)
	require.Contains(t, r.log.String(), "SECRET_DAMAGED")
	require.NotContains(t, r.log.String(), secret)
}
