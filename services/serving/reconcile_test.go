package serving_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/testkit"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/serving"
	"github.com/slipway-ai/slipway/services/serving/internal/peer/peertest"
)

func TestAnEndpointComesUpAndIsUpdatedWithoutAFailedRequest(t *testing.T) {
	t.Parallel()
	// A caller of this test may stand still for long between its choice of a model and its call: the machine is small.
	b := newBench(t, func(c *serving.Config) { c.Linger = config.Duration(3 * time.Second) })
	b.serving("chat", versions("/1"))
	g, _ := b.gateway("g1", "serving")
	var asked, failed atomic.Int64
	answered := sync.Map{}
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				version, err := g.Ask(t.Context(), "chat")
				asked.Add(1)
				if err != nil {
					failed.Add(1)
					t.Errorf("a request failed: %v", err)
				}
				answered.Store(version, true)
			}
		})
	}
	for v := range int64(5) {
		b.update("chat", versions("/"+string(rune('2'+v))))
		b.active("chat", v+2)
	}
	b.only(1)
	close(stop)
	callers.Wait()
	require.Zero(t, failed.Load())
	require.Greater(t, asked.Load(), int64(20))
	for _, v := range []string{"1", "6"} {
		_, ok := answered.Load("models:/" + model + "/" + v)
		require.True(t, ok, "version %s answered", v)
	}
	require.Len(t, b.runtime.Loads(), 6)
}

func TestAChangeOfTrafficSwapsAtOnceAndLoadsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.serving("chat", versions("/1", "/2"))
	g, _ := b.gateway("g1", "serving")
	c := versions("/1", "/2")
	c.Routes[0].TrafficPercentage, c.Routes[1].TrafficPercentage = 10, 90
	e := b.update("chat", c)
	require.Equal(t, servingv1.ConfigUpdate_CONFIG_UPDATE_NOT_UPDATING, e.GetConfigUpdate())
	require.EqualValues(t, 2, e.GetActiveConfig().GetRevision())
	require.EqualValues(t, 90, g.Route("chat").GetEntities()[1].GetTrafficPercentage(), "whoever is told of a swap can rely on it")
	require.Len(t, b.runtime.Loads(), 2)
}

func TestALoadThatFailsLeavesTheOldServing(t *testing.T) {
	t.Parallel()
	for name, behaviour := range map[string]peertest.Behaviour{
		"refused":        {Refuse: fault.New("gpu-runtime", fault.Invalid, "the file is damaged")},
		"failed later":   {Break: "the file is damaged"},
		"no room":        {Refuse: fault.New("gpu-runtime", fault.ResourceExhausted, "the file is damaged, and needs 3 GiB of 1 GiB")},
		"does not speak": {Mute: fault.New("gpu-runtime", fault.DataLoss, "the file is damaged")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.serving("chat", versions("/1"))
			g, _ := b.gateway("g1", "serving")
			b.runtime.Behave(2, behaviour)
			b.update("chat", versions("/1", "/2"))
			e := b.await("chat", "the update failed", func(e *servingv1.Endpoint) bool {
				return e.GetConfigUpdate() == servingv1.ConfigUpdate_CONFIG_UPDATE_FAILED
			})
			require.Contains(t, e.GetUpdateMessage(), `served entity "e1": `)
			require.Contains(t, e.GetUpdateMessage(), "the file is damaged")
			require.Equal(t, servingv1.Readiness_READINESS_READY, e.GetReady())
			require.EqualValues(t, 1, e.GetActiveConfig().GetRevision())
			require.Nil(t, e.GetPendingConfig())
			_, err := g.Ask(t.Context(), "chat")
			require.NoError(t, err)
			b.only(1)
			revisions, err := b.endpoints.ListEndpointRevisions(b.as("alice"), &servingv1.ListEndpointRevisionsRequest{Name: "chat"})
			require.NoError(t, err)
			states := revisions.GetRevisions()[0].GetStates()
			require.Equal(t, servingv1.Deployment_DEPLOYMENT_ABORTED, states[0].GetDeployment())
			require.Equal(t, servingv1.Deployment_DEPLOYMENT_FAILED, states[1].GetDeployment())

			b.runtime.Behave(2, peertest.Behaviour{})
			b.update("chat", versions("/1", "/2"))
			b.active("chat", 3)
		})
	}
}

func TestAFirstRevisionThatFailsLeavesAnEndpointThatCanBeRepaired(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.runtime.Behave(1, peertest.Behaviour{Break: "no such file"})
	b.create("chat", versions("/1"))
	e := b.await("chat", "the update failed", func(e *servingv1.Endpoint) bool {
		return e.GetConfigUpdate() == servingv1.ConfigUpdate_CONFIG_UPDATE_FAILED
	})
	require.Equal(t, servingv1.Readiness_READINESS_NOT_READY, e.GetReady())
	require.Nil(t, e.GetActiveConfig())
	b.update("chat", versions("/2"))
	b.active("chat", 2)
}

func TestAModelThatOnlyEmbedsIsProbedByEmbedding(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.runtime.Behave(1, peertest.Behaviour{Embeds: true})
	b.serving("embed", versions("/1"))
}

func TestAModelThatDoesNotAnswerItsProbeIsTriedAgainAndThenGivenUp(t *testing.T) {
	t.Parallel()
	for name, mute := range map[string]peertest.Behaviour{
		"an error":    {Mute: fault.New("gpu-runtime", fault.Internal, "secret cause")},
		"no answer":   {Hanging: true},
		"unavailable": {Mute: fault.New("gpu-runtime", fault.Unavailable, "the engine is busy dying")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(c *serving.Config) { c.ProbeTimeout = config.Duration(100 * time.Millisecond) })
			b.serving("chat", versions("/1"))
			before := b.runtime.Probes()
			b.runtime.Behave(2, mute)
			b.update("chat", versions("/2"))
			e := b.await("chat", "the update failed", func(e *servingv1.Endpoint) bool {
				return e.GetConfigUpdate() == servingv1.ConfigUpdate_CONFIG_UPDATE_FAILED
			})
			require.Contains(t, e.GetUpdateMessage(), "the model does not answer")
			require.NotContains(t, e.GetUpdateMessage(), "secret")
			require.Equal(t, b.cfg.ProbeAttempts, b.runtime.Probes()-before)
			b.only(1)
		})
	}
}

func TestASlowLoadKeepsTheOldServingAndMayBeCanceled(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.serving("chat", versions("/1"))
	g, _ := b.gateway("g1", "serving")
	b.runtime.Behave(2, peertest.Behaviour{Hold: true})
	e := b.update("chat", versions("/2"))
	require.Equal(t, servingv1.ConfigUpdate_CONFIG_UPDATE_UPDATING, e.GetConfigUpdate())
	require.Equal(t, servingv1.Deployment_DEPLOYMENT_CREATING, e.GetPendingConfig().GetStates()[0].GetDeployment())
	b.eventually(func() bool { return len(b.runtime.IDs(2)) == 1 }, "version 2 is loading")
	version, err := g.Ask(t.Context(), "chat")
	require.NoError(t, err)
	require.Equal(t, "models:/"+model+"/1", version)

	_, err = b.endpoints.UpdateEndpointConfig(b.as("alice"), &servingv1.UpdateEndpointConfigRequest{Name: "chat", Config: versions("/3")})
	require.Equal(t, fault.FailedPrecondition, fault.KindOf(err), "a second update while one pends")

	got, err := b.endpoints.CancelEndpointUpdate(b.as("alice"), &servingv1.CancelEndpointUpdateRequest{Name: "chat"})
	require.NoError(t, err)
	require.Equal(t, servingv1.ConfigUpdate_CONFIG_UPDATE_CANCELED, got.GetEndpoint().GetConfigUpdate())
	require.Nil(t, got.GetEndpoint().GetPendingConfig())
	b.only(1)

	b.update("chat", versions("/2"))
	b.eventually(func() bool { return len(b.runtime.IDs(2)) == 1 }, "version 2 is loading again")
	b.runtime.Finish()
	b.active("chat", 3)
	b.only(1)
}

func TestAnUpdateWhoseTimeIsOverFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *serving.Config) { c.LoadTimeout = config.Duration(400 * time.Millisecond) })
	b.runtime.Behave(1, peertest.Behaviour{Hold: true})
	b.create("chat", versions("/1"))
	e := b.await("chat", "the update failed", func(e *servingv1.Endpoint) bool {
		return e.GetConfigUpdate() == servingv1.ConfigUpdate_CONFIG_UPDATE_FAILED
	})
	require.Contains(t, e.GetUpdateMessage(), "not ready within 400ms")
	b.only(0)
}

func TestARuntimeThatForgotEverythingGetsItAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	before := b.serving("chat", versions("/1", "/2"))
	b.runtime.Behave(1, peertest.Behaviour{Hold: true})
	b.runtime.Behave(2, peertest.Behaviour{Hold: true})
	b.runtime.Restart()
	e := b.await("chat", "both recover", func(e *servingv1.Endpoint) bool {
		s := e.GetActiveConfig().GetStates()
		return s[0].GetDeployment() == servingv1.Deployment_DEPLOYMENT_RECOVERING && s[1].GetDeployment() == servingv1.Deployment_DEPLOYMENT_RECOVERING
	})
	require.Equal(t, servingv1.Readiness_READINESS_READY, e.GetReady())
	b.eventually(func() bool { return b.runtime.Count() == 2 }, "both are loaded anew")
	b.runtime.Finish()
	e = b.await("chat", "both are back", func(e *servingv1.Endpoint) bool {
		s := e.GetActiveConfig().GetStates()
		return s[0].GetDeployment() == servingv1.Deployment_DEPLOYMENT_READY && s[1].GetDeployment() == servingv1.Deployment_DEPLOYMENT_READY
	})
	require.Equal(t, before.GetActiveConfig().GetStates()[0].GetInstanceId(), e.GetActiveConfig().GetStates()[0].GetInstanceId(), "under the same id, so that no route changes")
}

func TestAnEngineThatRestartsShowsAsRecovering(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.serving("chat", versions("/1")).GetActiveConfig().GetStates()[0].GetInstanceId()
	state := func(d servingv1.Deployment, message string) {
		t.Helper()
		b.await("chat", d.String(), func(e *servingv1.Endpoint) bool {
			s := e.GetActiveConfig().GetStates()[0]
			return s.GetDeployment() == d && s.GetMessage() == message
		})
	}
	b.runtime.Set(id, peertest.Restarting, "exit status 139")
	state(servingv1.Deployment_DEPLOYMENT_RECOVERING, "exit status 139")
	b.runtime.Set(id, peertest.Ready, "")
	state(servingv1.Deployment_DEPLOYMENT_READY, "")
	b.runtime.Set(id, peertest.Failed, "gave up after 5 restarts")
	state(servingv1.Deployment_DEPLOYMENT_READY, "") // unloaded and loaded anew
	b.eventually(func() bool { return len(b.runtime.Loads()) == 2 }, "it was loaded anew")
	require.Equal(t, []string{id, id}, b.runtime.Loads())
}

func TestAnUpdateThatNeedsTheRoomOfWhatDrainsWaitsForIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.runtime.Rooms(2)
	b.serving("chat", versions("/1"))
	b.update("chat", versions("/2"))
	b.active("chat", 2)
	b.update("chat", versions("/3")) // while version 1 may still be there
	b.active("chat", 3)
	b.only(1)
}

func TestAGatewayThatNeverAcknowledgesDoesNotHoldTheOldForever(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *serving.Config) {
		c.AckTimeout, c.PublishWait = config.Duration(1500*time.Millisecond), config.Duration(10*time.Millisecond)
	})
	b.serving("chat", versions("/1"))
	deaf, _ := b.gateway("deaf", "serving")
	b.gateway("other", "serving")
	deaf.Deafen(true)
	start := time.Now()
	b.update("chat", versions("/2"))
	b.active("chat", 2)
	_, err := deaf.Ask(t.Context(), "chat")
	require.NoError(t, err, "what its table names is still there")
	b.only(1)
	require.GreaterOrEqual(t, time.Since(start), b.cfg.AckTimeout.Std())
}

func TestAGatewayThatIsGoneHoldsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *serving.Config) {
		c.AckTimeout, c.PublishWait = config.Duration(time.Hour), config.Duration(10*time.Millisecond)
	})
	b.serving("chat", versions("/1"))
	deaf, leave := b.gateway("deaf", "serving")
	deaf.Deafen(true)
	b.update("chat", versions("/2"))
	b.active("chat", 2)
	require.Equal(t, 2, b.runtime.Count(), "it is connected and behind")
	leave()
	b.only(1)
}

func TestAnAliasThatMovesTwiceQuicklyEndsAtItsLastTarget(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	set := func(v int64) {
		b.registry.SetAlias(registryv1.EventKind_EVENT_KIND_MODEL_ALIAS_SET, model, "champion", v)
	}
	set(1)
	b.serving("chat", versions("@champion"))
	b.runtime.Behave(2, peertest.Behaviour{Hold: true})
	set(2)
	set(3)
	e := b.await("chat", "version 3 serves", func(e *servingv1.Endpoint) bool {
		if len(b.runtime.IDs(2)) == 1 {
			b.runtime.Finish() // the first move was taken up before the second came
		}
		return e.GetActiveConfig().GetStates()[0].GetResolvedModel() == "models:/"+model+"/3" && e.GetPendingConfig() == nil
	})
	require.Equal(t, "system", e.GetActiveConfig().GetCreator())
	require.Equal(t, "models:/"+model+"@champion", e.GetActiveConfig().GetServedEntities()[0].GetModel().GetModel())
	require.LessOrEqual(t, e.GetActiveConfig().GetRevision(), int64(3))
	b.only(1)
	b.eventually(func() bool { return slices.Contains(b.registry.Edges(), "models:/"+model+"/3 serves endpoints:/chat") }, "lineage is recorded")
}

func TestAnAliasThatMovesToABrokenVersionIsTriedOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	set := func(v int64) {
		b.registry.SetAlias(registryv1.EventKind_EVENT_KIND_MODEL_ALIAS_SET, model, "champion", v)
	}
	set(1)
	b.serving("chat", versions("@champion"))
	b.runtime.Behave(2, peertest.Behaviour{Break: "damaged"})
	set(2)
	e := b.await("chat", "the update failed", func(e *servingv1.Endpoint) bool {
		return e.GetConfigUpdate() == servingv1.ConfigUpdate_CONFIG_UPDATE_FAILED
	})
	require.EqualValues(t, 1, e.GetActiveConfig().GetRevision())
	b.serving("other", versions("/1")) // time for another attempt, if there were one
	require.EqualValues(t, 1, b.get("chat").GetActiveConfig().GetRevision())
	require.Len(t, b.runtime.Loads(), 3)
	set(0) // removed: what it meant goes on
	set(3)
	b.await("chat", "version 3 serves", func(e *servingv1.Endpoint) bool {
		return e.GetActiveConfig().GetStates()[0].GetResolvedModel() == "models:/"+model+"/3"
	})
	require.EqualValues(t, 3, b.get("chat").GetActiveConfig().GetRevision(), "one attempt each")
}

func TestAnAliasThatMovedWhileServingWasAwayIsFollowedWhenItIsBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	set := func(v int64) {
		b.registry.SetAlias(registryv1.EventKind_EVENT_KIND_MODEL_ALIAS_SET, model, "champion", v)
	}
	set(1)
	b.serving("chat", versions("@champion"))
	b.stop("serving")
	set(2)
	b.start("serving")
	b.await("chat", "version 2 serves", func(e *servingv1.Endpoint) bool {
		return e.GetActiveConfig().GetStates()[0].GetResolvedModel() == "models:/"+model+"/2"
	})
}

func TestServingThatRestartsInTheMiddleFinishesWhatItBegan(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.serving("chat", versions("/1"))
	b.runtime.Behave(2, peertest.Behaviour{Hold: true})
	b.update("chat", versions("/2"))
	b.eventually(func() bool { return len(b.runtime.IDs(2)) == 1 }, "version 2 is loading")
	b.stop("serving")
	b.runtime.Plant("serving.gone.0190d5e0")
	b.runtime.Plant("somebody-elses")
	b.runtime.Finish()
	b.start("serving")
	b.active("chat", 2)
	b.eventually(func() bool { return b.runtime.Count() == 2 }, "the old one and the orphan are unloaded")
	require.Contains(t, b.runtime.Unloads(), "serving.gone.0190d5e0")
	require.NotContains(t, b.runtime.Unloads(), "somebody-elses")
	require.Len(t, b.runtime.Loads(), 2, "nothing was loaded twice")
}

func TestAGatewayThatReconnectsAfterARestartStillProtectsItsTable(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *serving.Config) {
		c.AckTimeout, c.PublishWait = config.Duration(time.Hour), config.Duration(10*time.Millisecond)
		c.GatewayGrace = config.Duration(time.Minute)
	})
	b.serving("chat", versions("/1"))
	g, _ := b.gateway("g1", "serving")
	g.Deafen(true)
	b.update("chat", versions("/2"))
	b.active("chat", 2)
	g.Hold(true) // it does not find the way back at once
	b.stop("serving")
	b.start("serving")
	for _, name := range []string{"a", "b", "c", "d", "e"} { // serving is at work again, for much longer than it would linger
		b.serving(name, versions("/3"))
	}
	_, err := g.Ask(t.Context(), "chat")
	require.NoError(t, err, "its table names version 1, which must still be there")
	require.Len(t, b.runtime.IDs(1), 1)
	g.Deafen(false)
	g.Hold(false)
	b.only(6)
	require.Empty(t, b.runtime.IDs(1))
}

func TestTwoReplicasOnOnePostgresActOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *serving.Config) { c.Store.URL = config.Secret(testkit.Postgres(t)) })
	b.start("second")
	g1, _ := b.gateway("g1", "serving")
	g2, _ := b.gateway("g2", "second")
	names := []string{"a", "b", "c", "d"}
	for _, name := range names {
		b.create(name, versions("/1"))
	}
	for _, name := range names {
		b.active(name, 1)
		b.update(name, versions("/2"))
	}
	for _, name := range names {
		b.active(name, 2)
	}
	b.only(len(names))
	require.Len(t, b.runtime.Loads(), 2*len(names), "each was loaded once")
	require.Len(t, b.runtime.Unloads(), len(names))
	for _, g := range []*peertest.Gateway{g1, g2} {
		for _, name := range names {
			version, err := g.Ask(t.Context(), name)
			require.NoError(t, err)
			require.Equal(t, "models:/"+model+"/2", version)
		}
	}
	b.stop("serving")
	second := servingv1.NewEndpointServiceClient(b.dial("test", "second"))
	_, err := second.UpdateEndpointConfig(b.as("alice"), &servingv1.UpdateEndpointConfigRequest{Name: "a", Config: versions("/3")})
	require.NoError(t, err)
	b.eventually(func() bool {
		version, err := g2.Ask(t.Context(), "a")
		return err == nil && version == "models:/"+model+"/3"
	}, "the other replica goes on alone")
}

func TestARuntimeThatIsNotThereYetIsWaitedFor(t *testing.T) {
	t.Parallel()
	b := prepare(t)
	b.start("serving")
	b.create("chat", versions("/1"))
	b.await("chat", "it says what it waits for", func(e *servingv1.Endpoint) bool {
		return e.GetPendingConfig().GetStates()[0].GetMessage() == "waiting for gpu-runtime"
	})
	b.peer("gpu-runtime", b.runtime.Register)
	b.active("chat", 1)
}
