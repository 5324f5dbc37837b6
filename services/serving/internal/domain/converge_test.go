package domain_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// TestPlansConvergeFromWhateverTheWorldDid shakes an endpoint and a pretended runtime (crashes, forgotten instances,
// broken models, gateways that lag, updates, rollbacks, cancellations), then lets the world be calm and follows the plans:
// they must come to an end with everything that is routed answering and nothing else loaded.
func TestPlansConvergeFromWhateverTheWorldDid(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			for range 200 {
				w.shake()
				w.follow(1)
			}
			w.calm()
			if w.e.Active != nil {
				for _, s := range w.e.Active.States {
					require.Equal(t, domain.DeploymentReady, s.Deployment)
				}
			}
			require.Nil(t, w.e.Pending)
			require.Len(t, w.runtime, len(w.e.Instances))
			for _, i := range w.e.Instances {
				require.Equal(t, domain.Serving, i.State)
				require.Equal(t, domain.RuntimeReady, w.runtime[i.ID])
			}
			w.e.Delete(w.s)
			w.calm()
			require.Empty(t, w.runtime)
			require.True(t, w.removed)
		})
	}
}

type world struct {
	t       *testing.T
	r       *rand.Rand
	e       *domain.Endpoint
	s       domain.Stamp
	runtime map[string]domain.RuntimeState
	away    bool
	table   int64 // the routing table's revision
	applied int64 // what the one gateway has applied
	route   *domain.Route
	removed bool
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 7)), s: stamp(id.Fixed()), runtime: map[string]domain.RuntimeState{}}
	w.e = domain.Draft("chat", "", "alice", nil, w.s)
	return w
}

// broken models fail to load; the others come up.
func broken(i domain.Instance) bool { return i.Key.Model.Version == 4 }

func (w *world) shake() {
	w.s.Now = w.s.Now.Add(time.Duration(w.r.IntN(2000)) * time.Millisecond)
	switch w.r.IntN(12) {
	case 0, 1:
		c, pins := split(w.t, map[int64]int32{w.r.Int64N(4) + 1: 0, w.r.Int64N(3) + 5: 100})
		_ = w.e.Propose(c, pins, "alice", w.s)
	case 2:
		_ = w.e.CancelUpdate("alice", w.s)
	case 3:
		w.away = !w.away
	case 4:
		clear(w.runtime) // it restarted and forgot
	case 5:
		for id := range w.runtime {
			w.runtime[id] = []domain.RuntimeState{domain.RuntimeRestarting, domain.RuntimeFailed, domain.RuntimeDraining}[w.r.IntN(3)]
			break
		}
	case 6:
		w.applied = w.table
	default:
		w.progress()
	}
	w.commit()
}

// progress lets the runtime go on with what it was told.
func (w *world) progress() {
	for id, s := range w.runtime {
		switch s {
		case domain.RuntimeLoading, domain.RuntimeRestarting:
			w.runtime[id] = domain.RuntimeReady
			if i := w.e.Instance(id); i != nil && broken(*i) {
				w.runtime[id] = domain.RuntimeFailed
			}
		case domain.RuntimeDraining:
			delete(w.runtime, id)
		}
	}
}

// commit is what a store does after each change.
func (w *world) commit() {
	require.NoError(w.t, w.e.Check())
	if route := domain.RouteOf(w.e); fmt.Sprint(route) != fmt.Sprint(w.route) || (route == nil) != (w.route == nil) {
		w.route = route
		w.table++
	}
	for i := range w.e.Instances {
		if inst := &w.e.Instances[i]; inst.State == domain.Retired && inst.RetiredRevision == 0 {
			inst.RetiredRevision = w.table
		}
	}
	w.e.Closed = nil
}

func (w *world) view() domain.View {
	v := domain.View{Now: w.s.Now, Connected: !w.away, Since: noon, Applied: w.applied, Instances: map[string]domain.Observation{}}
	for id, s := range w.runtime {
		v.Instances[id] = domain.Observation{State: s}
	}
	return v
}

// follow does at most n rounds of plans and reports whether there was nothing left to do.
func (w *world) follow(n int) bool {
	for range n {
		steps, again := domain.Plan(w.e, w.view(), limits)
		if len(steps) == 0 {
			if again == 0 {
				return true
			}
			w.s.Now = w.s.Now.Add(min(again, time.Second))
		}
		for _, s := range steps {
			w.do(s)
			w.commit()
		}
	}
	return false
}

func (w *world) do(s domain.Step) {
	id := s.Instance.ID
	switch s.Verb {
	case domain.VerbRegister:
		w.e.Registered = true
	case domain.VerbLoad:
		require.NotContains(w.t, w.runtime, id)
		w.runtime[id] = domain.RuntimeLoading
	case domain.VerbReset:
		delete(w.runtime, id)
	case domain.VerbProbe:
		w.e.Probed(id, w.s)
	case domain.VerbNote:
		w.e.Note(id, s.Message, w.s)
	case domain.VerbLose:
		require.True(w.t, w.e.Lost(id, s.Message, w.s))
	case domain.VerbFail:
		require.True(w.t, w.e.FailUpdate(s.Revision, s.Failed, w.s))
	case domain.VerbRelease:
		require.True(w.t, w.e.Release(id, w.s))
	case domain.VerbUnload:
		if w.route != nil {
			for _, entity := range w.route.Entities {
				for _, routed := range entity.Instances {
					require.NotEqual(w.t, id, routed.ID, "unloads what is routed to")
				}
			}
		}
		delete(w.runtime, id)
		require.True(w.t, w.e.Gone(id))
	case domain.VerbLineage:
		w.e.Active.Lineage = true
	case domain.VerbFollow:
		w.e.FollowDone = w.e.FollowWanted
	case domain.VerbUnregister:
		w.removed = true
	}
}

// busy reports whether the runtime has something under way that it will tell of.
func (w *world) busy() bool {
	for _, s := range w.runtime {
		if s != domain.RuntimeReady && s != domain.RuntimeFailed {
			return true
		}
	}
	return false
}

// calm lets the runtime work, the gateway apply and time pass until the plans are at their end.
func (w *world) calm() {
	w.away = false
	for range 100 {
		w.applied = math.MaxInt64
		w.progress()
		if w.follow(3) && !w.busy() || w.removed {
			return
		}
	}
	steps, again := domain.Plan(w.e, w.view(), limits)
	w.t.Fatalf("no end: %v, again in %v", verbs(steps), again)
}
