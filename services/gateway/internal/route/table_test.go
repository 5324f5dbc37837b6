package route

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/id"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
)

// split is an endpoint whose entities a, b, c, … have these shares.
func split(shares ...int32) *Endpoint {
	r := &servingv1.EndpointRoute{Name: "chat", Id: "0190d5e0-0000-7000-8000-000000000001"}
	for i, share := range shares {
		r.Entities = append(r.Entities, &servingv1.EntityRoute{Name: string(rune('a' + i)), TrafficPercentage: share})
	}
	return buildEndpoint(r, NewInstances())
}

func count(e *Endpoint, units int) map[string]int {
	got := map[string]int{}
	for i := range units {
		entity, _ := e.Pick(fmt.Sprint("unit-", i))
		got[entity.Name]++
	}
	return got
}

// Within five standard deviations of the binomial distribution: a fair split fails this about once in two million.
func TestASplitIsWithinItsBinomialBounds(t *testing.T) {
	t.Parallel()
	const n = 20_000
	for _, shares := range [][]int32{{90, 10}, {50, 50}, {99, 1}, {34, 33, 33}, {10, 10, 10, 10, 10, 10, 10, 10, 10, 10}} {
		got := count(split(shares...), n)
		for i, share := range shares {
			p := float64(share) / 100
			require.InDelta(t, n*p, float64(got[string(rune('a'+i))]), 5*math.Sqrt(n*p*(1-p)), "%v", shares)
		}
	}
}

func TestAUnitStaysWhereItIs(t *testing.T) {
	t.Parallel()
	one, two := split(70, 30), split(70, 30)
	for i := range 2000 {
		unit := fmt.Sprint("user ", i)
		a, bucket := one.Pick(unit)
		b, again := two.Pick(unit)
		require.Equal(t, a.Name, b.Name)
		require.Equal(t, bucket, again)
		require.GreaterOrEqual(t, bucket, 0)
		require.Less(t, bucket, Buckets)
	}
}

func TestAHundredPercentIsAll(t *testing.T) {
	t.Parallel()
	require.Equal(t, map[string]int{"a": 5000}, count(split(100), 5000))
	require.Equal(t, map[string]int{"b": 5000}, count(split(0, 100, 0), 5000))
	entity, _ := split(0, 0).Pick("x")
	require.Nil(t, entity, "no share, no answer")
}

// Growing one neighbour at the other's cost moves units into it and none out of it.
func TestAGrowingShareOnlyGains(t *testing.T) {
	t.Parallel()
	for canary := int32(0); canary < 100; canary += 7 {
		for _, grown := range []int32{canary + 1, min(canary+20, 100)} {
			before, after := split(100-canary, canary), split(100-grown, grown)
			moved := 0
			for i := range 3000 {
				unit := fmt.Sprint(i)
				was, _ := before.Pick(unit)
				is, _ := after.Pick(unit)
				if was.Name == "b" {
					require.Equal(t, "b", is.Name, "unit %s left a canary that grew from %d to %d", unit, canary, grown)
				} else if is.Name == "b" {
					moved++
				}
			}
			p := float64(grown-canary) / 100
			require.InDelta(t, 3000*p, moved, 5*math.Sqrt(3000*p*(1-p))+1)
		}
	}
}

func TestEndpointsDoNotShareTheirCanaries(t *testing.T) {
	t.Parallel()
	one := split(50, 50)
	other := buildEndpoint(&servingv1.EndpointRoute{Name: "other", Id: "0190d5e0-0000-7000-8000-000000000002", Entities: []*servingv1.EntityRoute{
		{Name: "a", TrafficPercentage: 50}, {Name: "b", TrafficPercentage: 50},
	}}, NewInstances())
	same := 0
	for i := range 4000 {
		a, _ := one.Pick(fmt.Sprint(i))
		b, _ := other.Pick(fmt.Sprint(i))
		if a.Name == b.Name {
			same++
		}
	}
	require.InDelta(t, 2000, same, 5*math.Sqrt(4000*0.25))
}

func TestATableFindsByNameAndListsInOrder(t *testing.T) {
	t.Parallel()
	now := time.Now()
	table := build(&servingv1.WatchRoutesResponse{Revision: 3, Endpoints: []*servingv1.EndpointRoute{
		{Name: "b", Id: id.UUIDv7().New()}, {Name: "a", Id: "not a uuid", Entities: []*servingv1.EntityRoute{
			{Name: "x", TrafficPercentage: 100, External: &servingv1.ExternalEntity{Provider: "p", Model: "m", Task: "chat"}},
		}},
	}}, NewInstances())
	require.Equal(t, "b", table.Endpoint("b").Name)
	require.Nil(t, table.Endpoint("c"))
	require.Equal(t, "a", table.Endpoints()[0].Name)
	require.Equal(t, External{"p", "m", "chat"}, *table.Endpoint("a").Entity("x").External)
	require.Nil(t, table.Endpoint("a").Entity("y"))
	require.WithinDuration(t, now, table.Endpoint("b").Created, time.Minute)
	require.True(t, table.Endpoint("a").Created.IsZero())
	var none *Table
	require.Nil(t, none.Endpoint("a"))
	require.Empty(t, none.Endpoints())
}

func TestAnInstanceIsChosenByStateAndLoad(t *testing.T) {
	t.Parallel()
	states := NewInstances()
	entity := &Entity{Instances: []*Instance{states.get("gpu", "1"), states.get("gpu", "2"), states.get("gpu", "3")}}
	tell := func(snapshot bool, told map[string]gpuruntimev1.InstanceState) {
		m := &gpuruntimev1.WatchInstancesResponse{Snapshot: snapshot}
		for id, state := range told {
			m.Instances = append(m.Instances, &gpuruntimev1.Instance{InstanceId: id, State: state, EmbeddingLength: 7})
		}
		states.update("gpu", m)
	}
	require.Equal(t, "1", entity.Choose(nil).ID, "what nobody told about is taken on serving's word")
	release := entity.Instances[0].Acquire()
	require.Equal(t, "2", entity.Choose(nil).ID)
	require.Equal(t, "3", entity.Choose([]*Instance{entity.Instances[1]}).ID)
	release()
	release()
	require.Zero(t, entity.Instances[0].Load(), "a release counts once")

	changed := states.Changed()
	tell(true, map[string]gpuruntimev1.InstanceState{"1": gpuruntimev1.InstanceState_INSTANCE_STATE_RESTARTING, "2": gpuruntimev1.InstanceState_INSTANCE_STATE_READY})
	<-changed
	require.Equal(t, "2", entity.Choose(nil).ID)
	require.Equal(t, 7, entity.Instances[1].EmbeddingLength())
	require.True(t, entity.Instances[2].Usable(), "a snapshot may come before an instance is known to its runtime")
	tell(true, map[string]gpuruntimev1.InstanceState{"3": gpuruntimev1.InstanceState_INSTANCE_STATE_FAILED})
	require.Nil(t, entity.Choose(nil))
	require.True(t, entity.Hopeless(), "1 and 2 are gone, 3 has failed")
	tell(false, map[string]gpuruntimev1.InstanceState{"1": gpuruntimev1.InstanceState_INSTANCE_STATE_READY})
	require.Equal(t, "1", entity.Choose(nil).ID)
	require.False(t, entity.Hopeless())

	states.forget(&Table{})
	require.NotSame(t, entity.Instances[2], states.get("gpu", "3"), "a failed instance without a route is forgotten")
	require.Same(t, entity.Instances[0], states.get("gpu", "1"))
}

func BenchmarkPick(b *testing.B) {
	e := split(90, 10)
	unit := fmt.Sprint(rand.Uint64())
	b.ReportAllocs()
	for b.Loop() {
		e.Pick(unit)
	}
}
