package domain_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

func TestANewEndpointIsNotReadyAndUpdating(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := domain.Draft("chat", "talks", "alice", map[string]string{"k": "v"}, s)
	propose(t, e, s, map[int64]int32{1: 100})
	require.Equal(t, domain.NotReady, e.Readiness())
	require.Equal(t, domain.Updating, e.Update)
	require.EqualValues(t, 1, e.Pending.Number)
	require.Equal(t, domain.DeploymentCreating, e.Pending.States[0].Deployment)
	require.Nil(t, domain.RouteOf(e))
}

func TestTheLastProbeSwapsTheRevisionIn(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := domain.Draft("chat", "", "alice", nil, s)
	propose(t, e, s, map[int64]int32{1: 90, 2: 10})
	require.True(t, e.Probed(e.Instances[0].ID, s))
	require.Equal(t, domain.Updating, e.Update, "one of two is not enough")
	require.Equal(t, domain.DeploymentReady, e.Pending.States[0].Deployment)
	require.True(t, e.Probed(e.Instances[1].ID, s))
	require.Equal(t, domain.NotUpdating, e.Update)
	require.Nil(t, e.Pending)
	require.EqualValues(t, 1, e.Active.Number)
	route := domain.RouteOf(e)
	require.Len(t, route.Entities, 2)
	require.EqualValues(t, 90, route.Entities[0].Percent)
	require.Equal(t, e.Instances[1].ID, route.Entities[1].Instances[0].ID)
	require.False(t, e.Probed(e.Instances[0].ID, s), "a second probe of a serving instance is no news")
}

func TestASecondUpdateIsRefusedWhileOneIsPending(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := serving(t, s, map[int64]int32{1: 100})
	propose(t, e, s, map[int64]int32{2: 100})
	c, pins := split(t, map[int64]int32{3: 100})
	err := e.Propose(c, pins, "bob", s)
	require.Equal(t, fault.FailedPrecondition, fault.KindOf(err))
	require.Equal(t, "UPDATE_IN_PROGRESS", fault.Reason(err))
	require.Contains(t, fault.Text(err), "revision 2")
	require.EqualValues(t, 2, e.Pending.Number)
	require.EqualValues(t, 2, e.LastRevision)
}

func TestAnUnexpectedRevisionIsAborted(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := serving(t, s, map[int64]int32{1: 100})
	require.NoError(t, e.Expect(0))
	require.NoError(t, e.Expect(1))
	err := e.Expect(7)
	require.Equal(t, fault.Aborted, fault.KindOf(err))
	require.Contains(t, fault.Text(err), "is 1, not 7")
}

func TestAFailedUpdateLeavesTheOldServing(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := serving(t, s, map[int64]int32{1: 100})
	before := *domain.RouteOf(e)
	propose(t, e, s, map[int64]int32{1: 50, 2: 50})
	require.False(t, e.FailUpdate(1, nil, s), "revision 1 does not pend")
	require.True(t, e.FailUpdate(2, map[string]string{"m-2": "no such file"}, s))
	require.NoError(t, e.Check())
	require.Equal(t, domain.UpdateFailed, e.Update)
	require.Equal(t, `served entity "m-2": no such file`, e.UpdateMessage)
	require.Equal(t, domain.Ready, e.Readiness())
	require.Equal(t, before, *domain.RouteOf(e))
	require.Equal(t, domain.Retired, e.Instances[1].State)
	require.Len(t, e.Closed, 1)
	require.Equal(t, []domain.EntityState{
		{Deployment: domain.DeploymentAborted},
		{Deployment: domain.DeploymentFailed, Message: "no such file"},
	}, e.Closed[0].States)
}

func TestACanceledUpdateLeavesTheOldServing(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := serving(t, s, map[int64]int32{1: 100})
	require.Equal(t, fault.FailedPrecondition, fault.KindOf(e.CancelUpdate("bob", s)))
	propose(t, e, s, map[int64]int32{2: 100})
	require.NoError(t, e.CancelUpdate("bob", s))
	require.NoError(t, e.Check())
	require.Equal(t, domain.UpdateCanceled, e.Update)
	require.Equal(t, "canceled by bob", e.UpdateMessage)
	require.EqualValues(t, 1, e.Active.Number)
	require.Equal(t, domain.DeploymentAborted, e.Closed[0].States[0].Deployment)
	propose(t, e, s, map[int64]int32{3: 100})
	require.EqualValues(t, 3, e.Pending.Number, "a number is never given twice")
}

func TestAChangeOfTrafficSwapsAtOnceOnTheSameInstances(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := serving(t, s, map[int64]int32{1: 90, 2: 10})
	before := []string{e.Instances[0].ID, e.Instances[1].ID}
	propose(t, e, s, map[int64]int32{1: 10, 2: 90})
	require.Equal(t, domain.NotUpdating, e.Update)
	require.EqualValues(t, 2, e.Active.Number)
	require.Len(t, e.Instances, 2)
	require.Equal(t, before, []string{e.Instances[0].ID, e.Instances[1].ID})
	require.EqualValues(t, 10, domain.RouteOf(e).Entities[0].Percent)
	require.EqualValues(t, 1, e.Closed[0].Number)
}

func TestTrafficMovesAwayFromAModelThatIsBroken(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := serving(t, s, map[int64]int32{1: 50, 2: 50})
	require.True(t, e.Lost(e.Instances[1].ID, "the engine restarts", s))
	require.Equal(t, domain.DeploymentRecovering, e.Active.States[1].Deployment)
	require.Equal(t, "the engine restarts", e.Active.States[1].Message)
	require.Len(t, domain.RouteOf(e).Entities[1].Instances, 1, "it comes back under the same id")
	propose(t, e, s, map[int64]int32{1: 100, 2: 0})
	require.EqualValues(t, 2, e.Active.Number)
	require.True(t, e.Probed(e.Instances[1].ID, s))
	require.Equal(t, domain.DeploymentReady, e.Active.States[1].Deployment)
}

func TestOtherParametersOfTheSameModelAreAnotherInstance(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := serving(t, s, map[int64]int32{1: 100})
	c, pins := split(t, map[int64]int32{1: 100})
	c.Entities[0].Model = &domain.Model{Reference: "models:/c.s.m/1", Parallel: 4}
	require.NoError(t, e.Propose(c, pins, "alice", s))
	require.NoError(t, e.Check())
	require.Equal(t, domain.Updating, e.Update)
	require.Len(t, e.Instances, 2)
}

func TestEntitiesOfTheSameModelShareOneInstance(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	one := domain.Model{Reference: "models:/c.s.m/1"}
	c, err := domain.Config{Entities: []domain.Entity{
		{Prompt: "prompts:/c.s.p/1", Model: &one}, {Prompt: "prompts:/c.s.p/2", Model: &one},
	}, Routes: []domain.Traffic{{"p-1", 90}, {"p-2", 10}}}.Normal()
	require.NoError(t, err)
	e := domain.Draft("chat", "", "alice", nil, s)
	require.NoError(t, e.Propose(c, pinsOf(t, c), "alice", s))
	require.Len(t, e.Instances, 1)
	answerAll(t, e, s)
	require.Equal(t, domain.RouteOf(e).Entities[0].Instances, domain.RouteOf(e).Entities[1].Instances)
}

func TestAnExternalModelIsUpAtOnce(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	c, err := domain.Config{Entities: []domain.Entity{external("", "openai", "gpt-4o")}}.Normal()
	require.NoError(t, err)
	e := domain.Draft("chat", "", "alice", nil, s)
	require.NoError(t, e.Propose(c, make([]domain.Pin, 1), "alice", s))
	require.NoError(t, e.Check())
	require.Equal(t, domain.Ready, e.Readiness())
	require.Empty(t, e.Instances)
	require.Equal(t, "openai", domain.RouteOf(e).Entities[0].External.Provider)
}

func TestARollbackFindsItsModelWarmAndAsksItOnceMore(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := serving(t, s, map[int64]int32{1: 100})
	old := e.Instances[0].ID
	propose(t, e, s, map[int64]int32{2: 100})
	answerAll(t, e, s)
	require.Equal(t, domain.Retired, e.Instance(old).State)
	propose(t, e, s, map[int64]int32{1: 100})
	require.Equal(t, domain.Loading, e.Instance(old).State)
	require.Equal(t, domain.Updating, e.Update)
	require.True(t, e.Probed(old, s))
	require.EqualValues(t, 3, e.Active.Number)
	require.Len(t, e.Instances, 2, "nothing was loaded again")
}

func TestWhatIsBeingUnloadedIsNotTakenBack(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := serving(t, s, map[int64]int32{1: 100})
	old := e.Instances[0].ID
	require.False(t, e.Release(old, s), "a serving instance is not released")
	propose(t, e, s, map[int64]int32{2: 100})
	answerAll(t, e, s)
	require.False(t, e.Gone(old), "a retired instance is not forgotten before it is unloaded")
	require.True(t, e.Release(old, s))
	propose(t, e, s, map[int64]int32{1: 100})
	require.Equal(t, domain.Unloading, e.Instance(old).State)
	require.Len(t, e.Instances, 3)
	require.True(t, e.Gone(old))
	require.Nil(t, e.Instance(old))
	require.NoError(t, e.Check())
}

func TestWhatNeverAnsweredIsNotTakenBack(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := serving(t, s, map[int64]int32{1: 100})
	propose(t, e, s, map[int64]int32{2: 100})
	failed := e.Instances[1].ID
	require.True(t, e.FailUpdate(2, map[string]string{"m-2": "no room"}, s))
	propose(t, e, s, map[int64]int32{2: 100})
	require.Equal(t, domain.Retired, e.Instance(failed).State)
	require.Equal(t, domain.Loading, e.Instances[2].State)
}

func TestADeletedEndpointLeavesTheRoutesAndRetiresAll(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := serving(t, s, map[int64]int32{1: 100})
	propose(t, e, s, map[int64]int32{2: 100})
	e.Delete(s)
	require.NoError(t, e.Check())
	require.Nil(t, domain.RouteOf(e))
	for _, i := range e.Instances {
		require.Equal(t, domain.Retired, i.State)
	}
	c, pins := split(t, map[int64]int32{1: 100})
	require.Equal(t, fault.FailedPrecondition, fault.KindOf(e.Propose(c, pins, "alice", s)))
}

func TestAnAliasIsLookedUpAgainAfterEachRevisionThatFollowsOne(t *testing.T) {
	t.Parallel()
	s := stamp(id.Fixed())
	e := domain.Draft("chat", "", "alice", nil, s)
	propose(t, e, s, map[int64]int32{1: 100})
	require.False(t, e.Stale(), "numbers do not move")
	require.NoError(t, e.CancelUpdate("alice", s))
	c, err := domain.Config{Entities: []domain.Entity{model("", "models:/c.s.m@champion")}}.Normal()
	require.NoError(t, err)
	require.NoError(t, e.Propose(c, pinsOf(t, c), "alice", s))
	require.True(t, e.Stale())
}
