package storetest

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
	"github.com/slipway-ai/slipway/services/serving/internal/store"
)

func (b *bench) claim(id, holder string, at time.Duration) bool {
	b.t.Helper()
	ok, err := b.Claim(b.t.Context(), id, holder, Noon.Add(at), Noon.Add(at+time.Minute))
	require.NoError(b.t, err)
	return ok
}

func leases(t *testing.T, b *bench) {
	e, other := b.create("chat", "models:/c.s.m/1"), b.create("other", "models:/c.s.m/1")
	require.True(t, b.claim(e.ID, "one", 0))
	require.False(t, b.claim(e.ID, "two", 0))
	require.True(t, b.claim(other.ID, "two", 0), "each endpoint has its own")
	require.True(t, b.claim(e.ID, "one", 30*time.Second), "the holder prolongs it")
	require.False(t, b.claim(e.ID, "two", 80*time.Second))
	require.True(t, b.claim(e.ID, "two", 91*time.Second), "it ended by itself")
	require.False(t, b.claim(e.ID, "one", 92*time.Second))
	require.NoError(t, b.Release(t.Context(), e.ID, "one"))
	require.False(t, b.claim(e.ID, "one", 93*time.Second), "one cannot release what two holds")
	require.NoError(t, b.Release(t.Context(), e.ID, "two"))
	require.True(t, b.claim(e.ID, "one", 94*time.Second))
}

func fenced(t *testing.T, b *bench) {
	e := b.create("chat", "models:/c.s.m/1")
	describe := func(holder, text string) error {
		_, err := b.Change(t.Context(), e.ID, holder, func(e *domain.Endpoint) (bool, error) {
			e.Description = text
			return true, nil
		})
		return err
	}
	require.Equal(t, fault.Aborted, fault.KindOf(describe("one", "no lease")))
	require.True(t, b.claim(e.ID, "one", 0))
	require.NoError(t, describe("one", "mine"))
	require.True(t, b.claim(e.ID, "two", time.Hour))
	require.Equal(t, fault.Aborted, fault.KindOf(describe("one", "asleep")))
	require.NoError(t, describe("", "a user's change"))
	require.NoError(t, describe("two", "the successor's"))
	got, err := b.ByID(t.Context(), e.ID)
	require.NoError(t, err)
	require.Equal(t, "the successor's", got.Description)
}

func claims(t *testing.T, b *bench) {
	e := b.create("chat", "models:/c.s.m/1")
	var won atomic.Int32
	var wg sync.WaitGroup
	for _, holder := range []string{"a", "b", "c", "d", "e", "f"} {
		wg.Go(func() {
			ok, err := b.Claim(t.Context(), e.ID, holder, Noon, Noon.Add(time.Minute))
			if err != nil {
				t.Error(err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, won.Load())
}

func (b *bench) join(id, stream, replica string) store.Gateway {
	b.t.Helper()
	g := store.Gateway{ID: id, Stream: stream, Replica: replica, Until: Noon.Add(10 * time.Second)}
	require.NoError(b.t, b.Join(b.t.Context(), g))
	return g
}

func (b *bench) ack(g store.Gateway, applied int64) bool {
	b.t.Helper()
	g.Applied = applied
	ok, err := b.Acknowledge(b.t.Context(), g)
	require.NoError(b.t, err)
	return ok
}

func (b *bench) slowest(at time.Duration, want int64, connected int) {
	b.t.Helper()
	got, n, err := b.Applied(b.t.Context(), Noon.Add(at))
	require.NoError(b.t, err)
	require.Equal(b.t, want, got)
	require.Equal(b.t, connected, n)
}

func gateways(t *testing.T, b *bench) {
	b.slowest(0, math.MaxInt64, 0)
	one := b.join("g1", "s1", "r1")
	b.slowest(0, 0, 1)
	require.True(t, b.ack(one, 5))
	two := b.join("g2", "s2", "r2")
	b.slowest(0, 0, 2)
	require.True(t, b.ack(two, 4))
	b.slowest(0, 4, 2)
	require.True(t, b.ack(one, 3), "an older acknowledgement that comes late")
	require.True(t, b.ack(two, 6))
	b.slowest(0, 5, 2)
	require.NoError(t, b.Leave(t.Context(), "g1", "s1"))
	b.slowest(0, 6, 1)
}

func streams(t *testing.T, b *bench) {
	old := b.join("g1", "s1", "r1")
	require.True(t, b.ack(old, 9))
	young := b.join("g1", "s2", "r2")
	b.slowest(0, 0, 1)
	require.False(t, b.ack(old, 9), "the old stream does not speak for the gateway any more")
	require.NoError(t, b.Leave(t.Context(), "g1", "s1"))
	b.slowest(0, 0, 1)
	require.True(t, b.ack(young, 2))
	b.slowest(0, 2, 1)
}

func orphanedGateway(t *testing.T, b *bench) {
	b.join("g1", "s1", "dead")
	b.join("g2", "s2", "alive")
	require.NoError(t, b.Keep(t.Context(), "alive", Noon.Add(5*time.Second), Noon.Add(time.Minute)))
	b.slowest(10*time.Second, 0, 2)
	b.slowest(11*time.Second, 0, 1)
	require.NoError(t, b.Keep(t.Context(), "alive", Noon.Add(20*time.Second), Noon.Add(2*time.Minute)))
	require.False(t, b.ack(store.Gateway{ID: "g1", Stream: "s1"}, 1), "swept away")
	b.slowest(time.Minute, 0, 1)
}
