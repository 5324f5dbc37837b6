// Package storetest proves the contract of package store on any implementation.
package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/store"
)

// Run runs the suite on one store. Its parts use keys of their own and share it.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	s := open(t)
	for name, test := range map[string]func(*testing.T, store.Store){
		"What was written comes back exactly":              roundTrip,
		"The latest kin stands in for a missing footprint": kin,
		"Updates at once all count":                        concurrent,
		"Keys compare byte for byte":                       bytewise,
		"The list has an order":                            ordered,
		"What breaks a rule is not kept":                   rules,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// key is a key of this test's own.
func key(t *testing.T, sha string) store.Key {
	return store.Key{SHA256: t.Name() + "/" + sha, Engine: "llama.cpp 0.5.0 (cpu)", Device: "cpu", Context: 4096, Parallel: 8, Batch: 512, Embedding: 512}
}

var now = time.Date(2026, 11, 23, 14, 50, 1, 123456789, time.UTC)

func put(t *testing.T, s store.Store, f store.Footprint) store.Footprint {
	t.Helper()
	got, err := s.Update(t.Context(), f.Key, func(store.Footprint) store.Footprint { return f })
	require.NoError(t, err)
	return got
}

func roundTrip(t *testing.T, s store.Store) {
	f := store.Footprint{Key: key(t, "é"), Model: "prod.chat.Ünï 模型", Predicted: 1<<53 + 1, Observed: 1<<62 + 3, Factor: 1.0 / 3, Samples: 1 << 40, Updated: now}
	written := put(t, s, f)
	f.Updated = now.Truncate(time.Microsecond)
	require.Equal(t, f, written)
	read, err := s.Find(t.Context(), f.Key)
	require.NoError(t, err)
	require.Equal(t, f, read)

	f.Observed, f.Samples, f.Model = 7, 2, ""
	seen := store.Footprint{}
	_, err = s.Update(t.Context(), f.Key, func(old store.Footprint) store.Footprint {
		seen = old
		old.Observed, old.Samples, old.Model, old.Key = 7, 2, "", store.Key{} // a key that fn changed is put right
		return old
	})
	require.NoError(t, err)
	require.Equal(t, read, seen)
	read, err = s.Find(t.Context(), f.Key)
	require.NoError(t, err)
	require.Equal(t, f, read)
	require.NoError(t, s.Ping(t.Context()))
}

func kin(t *testing.T, s store.Store) {
	k := key(t, "a")
	_, err := s.Find(t.Context(), k)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
	long, longer := k, k
	long.Context, longer.Context = 8192, 16384
	put(t, s, store.Footprint{Key: longer, Factor: 3, Samples: 1, Updated: now.Add(-time.Hour)})
	put(t, s, store.Footprint{Key: long, Factor: 2, Samples: 1, Updated: now})
	got, err := s.Find(t.Context(), k)
	require.NoError(t, err)
	require.Equal(t, long, got.Key, "the latest")
	put(t, s, store.Footprint{Key: k, Factor: 1.5, Samples: 1, Updated: now.Add(-24 * time.Hour)})
	got, err = s.Find(t.Context(), k)
	require.NoError(t, err)
	require.Equal(t, k, got.Key, "the exact one, however old")
	for _, other := range []store.Key{{SHA256: k.SHA256, Engine: "llama.cpp 0.6.0 (cpu)", Device: "cpu"}, {SHA256: k.SHA256, Engine: k.Engine, Device: "nvidia"}, {SHA256: k.SHA256 + "x", Engine: k.Engine, Device: "cpu"}} {
		_, err := s.Find(t.Context(), other)
		require.True(t, fault.Is(err, fault.NotFound), "%+v", other)
	}
}

func concurrent(t *testing.T, s store.Store) {
	k := key(t, "busy")
	const writers, each = 8, 5
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				_, err := s.Update(t.Context(), k, func(old store.Footprint) store.Footprint {
					old.Samples++
					old.Factor, old.Updated = 1, now
					return old
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := s.Find(t.Context(), k)
	require.NoError(t, err)
	require.EqualValues(t, writers*each, got.Samples)
}

func bytewise(t *testing.T, s store.Store) {
	for i, sha := range []string{"a", "A", "ä", "a\u0308", "a "} {
		put(t, s, store.Footprint{Key: key(t, sha), Factor: 1, Samples: int64(i + 1), Updated: now})
	}
	for i, sha := range []string{"a", "A", "ä", "a\u0308", "a "} {
		got, err := s.Find(t.Context(), key(t, sha))
		require.NoError(t, err)
		require.EqualValues(t, i+1, got.Samples, "%q", sha)
	}
}

func ordered(t *testing.T, s store.Store) {
	for i, sha := range []string{"b", "B", "a", "B"} {
		k := key(t, sha)
		k.Context += i
		put(t, s, store.Footprint{Key: k, Factor: 1, Samples: 1, Updated: now.Add(time.Duration(i) * time.Second)})
	}
	all, err := s.List(t.Context())
	require.NoError(t, err)
	var mine []string
	for _, f := range all {
		if sha, ok := strings.CutPrefix(f.Key.SHA256, t.Name()+"/"); ok {
			mine = append(mine, fmt.Sprint(sha, f.Key.Context-4096))
		}
	}
	require.Equal(t, []string{"B3", "B1", "a2", "b0"}, mine)
}

func rules(t *testing.T, s store.Store) {
	k := key(t, "bad")
	_, err := s.Update(t.Context(), k, func(store.Footprint) store.Footprint { return store.Footprint{Factor: 0, Samples: 1, Updated: now} })
	require.Error(t, err)
	_, err = s.Find(t.Context(), k)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
}
