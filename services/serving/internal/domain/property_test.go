package domain_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// TestNoWalkThroughTheTransitionsBreaksAnInvariant takes thousands of random steps and asks after each: do the
// invariants hold, is at most one revision pending, and was the active one lost by anything but a swap or a deletion?
func TestNoWalkThroughTheTransitionsBreaksAnInvariant(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := walk{t: t, r: rand.New(rand.NewPCG(seed, 1)), s: stamp(id.Fixed())}
			w.e = domain.Draft("chat", "", "alice", nil, w.s)
			for range 400 {
				w.step()
			}
			require.Positive(t, w.swaps, "a walk that never swaps proves little")
		})
	}
}

type walk struct {
	t     *testing.T
	r     *rand.Rand
	e     *domain.Endpoint
	s     domain.Stamp
	swaps int
}

func (w *walk) step() {
	w.s.Now = w.s.Now.Add(time.Second)
	active, pending := w.e.Active, w.e.Pending
	closed := len(w.e.Closed)
	what := w.act()
	require.NoError(w.t, w.e.Check(), what)
	require.LessOrEqual(w.t, len(w.e.Closed)-closed, 1, what)
	switch {
	case active == w.e.Active:
	case pending != nil && w.e.Active == pending, pending == nil && w.e.Active.Number == w.e.LastRevision:
		w.swaps++
		require.Equal(w.t, domain.NotUpdating, w.e.Update, what)
	default:
		w.t.Fatalf("%s lost the active revision: %+v became %+v", what, active, w.e.Active)
	}
	if active != nil {
		require.NotNil(w.t, w.e.Active, what)
		require.NotNil(w.t, domain.RouteOf(w.e), what)
		for _, entity := range domain.RouteOf(w.e).Entities {
			require.Len(w.t, entity.Instances, 1, what)
		}
	}
	if pending != nil && w.e.Pending != nil {
		require.Same(w.t, pending, w.e.Pending, "%s replaced a pending revision", what)
	}
}

func (w *walk) act() string {
	pick := func() string {
		if len(w.e.Instances) == 0 {
			return "none"
		}
		return w.e.Instances[w.r.IntN(len(w.e.Instances))].ID
	}
	switch n := w.r.IntN(20); {
	case n < 5:
		shares := map[int64]int32{w.r.Int64N(3) + 1: 0, w.r.Int64N(3) + 4: 100}
		c, pins := split(w.t, shares)
		if err := w.e.Propose(c, pins, "alice", w.s); err != nil {
			require.NotNil(w.t, w.e.Pending)
		}
		return fmt.Sprint("propose ", shares)
	case n < 8:
		id := pick()
		return fmt.Sprint("probed ", id, w.e.Probed(id, w.s))
	case n < 12: // what is wanted, or a walk would seldom swap
		for _, i := range w.e.Instances {
			if i.State == domain.Loading {
				return fmt.Sprint("probed ", i.ID, w.e.Probed(i.ID, w.s))
			}
		}
		return "nothing to probe"
	case n < 14:
		id := pick()
		return fmt.Sprint("lost ", id, w.e.Lost(id, "gone", w.s))
	case n < 15:
		return fmt.Sprint("fail ", w.e.FailUpdate(w.e.LastRevision, map[string]string{"m-4": "broken"}, w.s))
	case n < 16:
		return fmt.Sprint("cancel ", w.e.CancelUpdate("bob", w.s))
	case n < 18:
		id := pick()
		return fmt.Sprint("release ", id, w.e.Release(id, w.s))
	default:
		id := pick()
		return fmt.Sprint("gone ", id, w.e.Gone(id))
	}
}
