package domain_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

var limits = domain.Limits{LoadTimeout: 10 * time.Minute, AckTimeout: 30 * time.Second, Linger: time.Second, RuntimeGrace: 5 * time.Second}

func view(at time.Time, states map[string]domain.RuntimeState) domain.View {
	v := domain.View{Now: at, Connected: true, Since: noon, Instances: map[string]domain.Observation{}, Applied: math.MaxInt64}
	for id, s := range states {
		v.Instances[id] = domain.Observation{State: s, Message: "as told"}
	}
	return v
}

func verbs(steps []domain.Step) []domain.Verb {
	var all []domain.Verb
	for _, s := range steps {
		all = append(all, s.Verb)
	}
	return all
}

func TestPlanLeadsAnInstanceFromWantedToProbed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		view func(id string) domain.View
		want []domain.Verb
	}{
		"unknown to the runtime": {func(string) domain.View { return view(noon, nil) }, []domain.Verb{domain.VerbLoad}},
		"loading":                {func(id string) domain.View { return view(noon, states(id, domain.RuntimeLoading)) }, []domain.Verb{domain.VerbNote}},
		"restarting":             {func(id string) domain.View { return view(noon, states(id, domain.RuntimeRestarting)) }, []domain.Verb{domain.VerbNote}},
		"draining by hand":       {func(id string) domain.View { return view(noon, states(id, domain.RuntimeDraining)) }, []domain.Verb{domain.VerbNote}},
		"ready":                  {func(id string) domain.View { return view(noon, states(id, domain.RuntimeReady)) }, []domain.Verb{domain.VerbProbe}},
		"failed":                 {func(id string) domain.View { return view(noon, states(id, domain.RuntimeFailed)) }, []domain.Verb{domain.VerbFail}},
		"runtime away":           {func(string) domain.View { return domain.View{Now: noon} }, []domain.Verb{domain.VerbNote}},
		"too late":               {func(id string) domain.View { return view(noon.Add(10*time.Minute), states(id, domain.RuntimeLoading)) }, []domain.Verb{domain.VerbFail}},
		"too late, runtime away": {func(string) domain.View { return domain.View{Now: noon.Add(time.Hour)} }, []domain.Verb{domain.VerbFail}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stamp(id.Fixed())
			e := domain.Draft("chat", "", "alice", nil, s)
			e.Registered = true
			propose(t, e, s, map[int64]int32{1: 100})
			steps, again := domain.Plan(e, test.view(e.Instances[0].ID), limits)
			require.Equal(t, test.want, verbs(steps))
			if test.want[0] != domain.VerbFail {
				require.Equal(t, 10*time.Minute, again, "the revision's time must be watched")
			}
		})
	}
}

func states(id string, s domain.RuntimeState) map[string]domain.RuntimeState {
	return map[string]domain.RuntimeState{id: s}
}

func TestPlanRepairsWhatServes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lost bool
		view func(id string) domain.View
		want []domain.Verb
	}{
		"all is well":             {false, func(id string) domain.View { return view(noon, states(id, domain.RuntimeReady)) }, nil},
		"engine restarts":         {false, func(id string) domain.View { return view(noon, states(id, domain.RuntimeRestarting)) }, []domain.Verb{domain.VerbLose}},
		"runtime forgot":          {false, func(string) domain.View { return view(noon, nil) }, []domain.Verb{domain.VerbLose}},
		"engine gave up":          {false, func(id string) domain.View { return view(noon, states(id, domain.RuntimeFailed)) }, []domain.Verb{domain.VerbLose}},
		"runtime just went":       {false, func(string) domain.View { return domain.View{Now: noon.Add(time.Second), Since: noon} }, nil},
		"runtime is gone":         {false, func(string) domain.View { return domain.View{Now: noon.Add(5 * time.Second), Since: noon} }, []domain.Verb{domain.VerbLose}},
		"lost and forgotten":      {true, func(string) domain.View { return view(noon, nil) }, []domain.Verb{domain.VerbLoad}},
		"lost and failed":         {true, func(id string) domain.View { return view(noon, states(id, domain.RuntimeFailed)) }, []domain.Verb{domain.VerbReset}},
		"lost and back":           {true, func(id string) domain.View { return view(noon, states(id, domain.RuntimeReady)) }, []domain.Verb{domain.VerbProbe}},
		"lost, long after update": {true, func(id string) domain.View { return view(noon.Add(time.Hour), states(id, domain.RuntimeLoading)) }, []domain.Verb{domain.VerbNote}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stamp(id.Fixed())
			e := serving(t, s, map[int64]int32{1: 100})
			e.Active.Lineage = true
			if test.lost {
				require.True(t, e.Lost(e.Instances[0].ID, "gone", s))
			}
			steps, _ := domain.Plan(e, test.view(e.Instances[0].ID), limits)
			require.Equal(t, test.want, verbs(steps))
		})
	}
}

func TestPlanUnloadsOnlyWhatNoGatewayCanPick(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		after   time.Duration
		applied int64
		want    []domain.Verb
		again   time.Duration
	}{
		"a gateway is behind":               {0, 6, nil, 30 * time.Second},
		"it is still behind":                {20 * time.Second, 6, nil, 10 * time.Second},
		"its time is over":                  {30 * time.Second, 6, []domain.Verb{domain.VerbRelease}, 0},
		"all have applied it":               {0, 7, []domain.Verb{domain.VerbRelease}, 0},
		"nobody is connected":               {0, math.MaxInt64, []domain.Verb{domain.VerbRelease}, 0},
		"one connected and applied nothing": {time.Second, 0, nil, 29 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stamp(id.Fixed())
			e := serving(t, s, map[int64]int32{1: 100})
			old, young := e.Instances[0].ID, ""
			propose(t, e, s, map[int64]int32{2: 100})
			answerAll(t, e, s)
			young = e.Instances[1].ID
			e.Active.Lineage = true
			e.Instance(old).RetiredRevision = 7
			v := view(noon.Add(test.after), map[string]domain.RuntimeState{old: domain.RuntimeReady, young: domain.RuntimeReady})
			v.Applied = test.applied
			steps, again := domain.Plan(e, v, limits)
			require.Equal(t, test.want, verbs(steps))
			require.Equal(t, test.again, again)
		})
	}
}

func TestPlanLingersBeforeItUnloads(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := serving(t, s, map[int64]int32{1: 100})
	e.Delete(s)
	require.True(t, e.Release(e.Instances[0].ID, s))
	steps, again := domain.Plan(e, view(noon, nil), limits)
	require.Empty(t, steps)
	require.Equal(t, time.Second, again)
	steps, _ = domain.Plan(e, view(noon.Add(time.Second), nil), limits)
	require.Equal(t, []domain.Verb{domain.VerbUnload}, verbs(steps))
	require.True(t, e.Gone(e.Instances[0].ID))
	steps, _ = domain.Plan(e, view(noon, nil), limits)
	require.Equal(t, []domain.Verb{domain.VerbUnregister}, verbs(steps))
}

func TestPlanUnloadsAtOnceWhatWasNeverRouted(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := serving(t, s, map[int64]int32{1: 100})
	e.Active.Lineage = true
	propose(t, e, s, map[int64]int32{2: 100})
	require.NoError(t, e.CancelUpdate("alice", s))
	v := view(noon, states(e.Instances[0].ID, domain.RuntimeReady))
	v.Applied = 0
	steps, _ := domain.Plan(e, v, limits)
	require.Equal(t, []domain.Verb{domain.VerbRelease}, verbs(steps))
	require.True(t, e.Release(e.Instances[1].ID, s))
	steps, _ = domain.Plan(e, v, limits)
	require.Equal(t, []domain.Verb{domain.VerbUnload}, verbs(steps))
}

func TestPlanFollowsAnAliasOnlyWhenNothingPends(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := serving(t, s, map[int64]int32{1: 100})
	e.Active.Lineage = true
	e.FollowWanted++
	v := view(noon, states(e.Instances[0].ID, domain.RuntimeReady))
	steps, _ := domain.Plan(e, v, limits)
	require.Equal(t, []domain.Verb{domain.VerbFollow}, verbs(steps))
	propose(t, e, s, map[int64]int32{2: 100})
	steps, _ = domain.Plan(e, v, limits)
	require.Equal(t, []domain.Verb{domain.VerbLoad}, verbs(steps))
}

func TestPlanRegistersAndRecordsLineageWhenACrashLeftThemOut(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := serving(t, s, map[int64]int32{1: 100})
	e.Registered = false
	steps, again := domain.Plan(e, view(noon, states(e.Instances[0].ID, domain.RuntimeReady)), limits)
	require.Empty(t, steps, "its creator is still at it")
	require.Equal(t, domain.CreationTime, again)
	steps, _ = domain.Plan(e, view(noon.Add(domain.CreationTime), states(e.Instances[0].ID, domain.RuntimeReady)), limits)
	require.Equal(t, []domain.Verb{domain.VerbRegister}, verbs(steps))
	e.Registered = true
	steps, _ = domain.Plan(e, view(noon.Add(domain.CreationTime), states(e.Instances[0].ID, domain.RuntimeReady)), limits)
	require.Equal(t, []domain.Verb{domain.VerbLineage}, verbs(steps))
}
