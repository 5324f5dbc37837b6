package lifecycle_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/lifecycle"
)

// journal writes down what modules do.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) write(s string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, s)
}

func (j *journal) module(name string, needs ...string) lifecycle.Module {
	return lifecycle.Module{
		Name: name, Needs: needs,
		Start: func(context.Context) error { j.write("start " + name); return nil },
		Stop:  func(context.Context) error { j.write("stop " + name); return nil },
	}
}

func table(t *testing.T, mods ...lifecycle.Module) *lifecycle.Table {
	t.Helper()
	tab, err := lifecycle.NewTable(mods...)
	require.NoError(t, err)
	return tab
}

func TestModulesStartAfterTheirNeedsAndStopBeforeThem(t *testing.T) {
	t.Parallel()
	var j journal
	tab := table(t, j.module("gateway", "registry", "serving"), j.module("serving", "registry"), j.module("monitor"), j.module("registry"))
	require.Equal(t, []string{"registry", "serving", "gateway", "monitor"}, tab.Order())
	require.Equal(t, lifecycle.New, tab.State())
	require.NoError(t, tab.Start(t.Context()))
	require.Equal(t, lifecycle.Running, tab.State())
	require.NoError(t, tab.Ready(t.Context()))
	require.NoError(t, tab.Stop(t.Context()))
	require.NoError(t, tab.Stop(t.Context()), "stopping again does nothing")
	require.Equal(t, lifecycle.Terminated, tab.State())
	require.Equal(t, []string{
		"start registry", "start serving", "start gateway", "start monitor",
		"stop monitor", "stop gateway", "stop serving", "stop registry",
	}, j.lines)
	require.Error(t, tab.Start(t.Context()), "nothing restarts")
}

func TestACycleIsAnErrorThatNamesBothEnds(t *testing.T) {
	t.Parallel()
	var j journal
	for name, c := range map[string]struct {
		mods []lifecycle.Module
		want string
	}{
		"two modules":    {[]lifecycle.Module{j.module("registry", "serving"), j.module("serving", "registry")}, "registry needs serving, serving needs registry"},
		"behind a third": {[]lifecycle.Module{j.module("gateway", "a"), j.module("a", "b"), j.module("b", "c"), j.module("c", "a")}, "circle: a needs b, b needs c, c needs a"},
		"itself":         {[]lifecycle.Module{j.module("a", "a")}, "a needs a"},
		"nobody":         {[]lifecycle.Module{j.module("a", "b")}, "a needs b, which is not in the table"},
		"twice":          {[]lifecycle.Module{j.module("a"), j.module("a")}, "two modules are named a"},
		"nameless":       {[]lifecycle.Module{j.module("")}, "needs a name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := lifecycle.NewTable(c.mods...)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAFailedStartStopsWhatRunsAndNothingElse(t *testing.T) {
	t.Parallel()
	var j journal
	boom := errors.New("no disk")
	bad := j.module("serving", "registry")
	bad.Start = func(context.Context) error { return boom }
	tab := table(t, j.module("registry"), bad, j.module("gateway", "serving"))
	ctx, cancel := context.WithCancel(t.Context())
	err := tab.Start(ctx)
	cancel()
	require.ErrorIs(t, err, boom)
	require.ErrorContains(t, err, "start serving: no disk")
	require.Equal(t, []string{"start registry", "stop registry"}, j.lines)
	require.Equal(t, lifecycle.Failed, tab.State())
	require.Equal(t, lifecycle.Failed, tab.StateOf("serving"))
	require.Equal(t, lifecycle.Terminated, tab.StateOf("registry"))
	require.Equal(t, lifecycle.New, tab.StateOf("gateway"))
}

func TestAPanicWhileStartingIsAnError(t *testing.T) {
	t.Parallel()
	var j journal
	bad := j.module("b", "a")
	bad.Start = func(context.Context) error { panic("no luck") }
	err := table(t, j.module("a"), bad).Start(t.Context())
	require.ErrorContains(t, err, "start b: panic: no luck")
	require.Equal(t, []string{"start a", "stop a"}, j.lines)
}

func TestStopReportsEveryErrorAndStopsTheRest(t *testing.T) {
	t.Parallel()
	var j journal
	bad := j.module("b", "a")
	bad.Stop = func(context.Context) error { return errors.New("stuck") }
	tab := table(t, j.module("a"), bad, j.module("c", "b"))
	require.NoError(t, tab.Start(t.Context()))
	require.ErrorContains(t, tab.Stop(t.Context()), "stop b: stuck")
	require.Equal(t, []string{"start a", "start b", "start c", "stop c", "stop a"}, j.lines)
	require.Equal(t, lifecycle.Failed, tab.State())
}

func TestReadyNamesWhoIsNot(t *testing.T) {
	t.Parallel()
	var j journal
	bad := j.module("serving")
	bad.Ready = func(context.Context) error { return errors.New("no endpoint yet") }
	tab := table(t, j.module("registry"), bad)
	require.ErrorContains(t, tab.Ready(t.Context()), "registry is new")
	require.NoError(t, tab.Start(t.Context()))
	require.EqualError(t, tab.Ready(t.Context()), "serving: no endpoint yet")
	require.NoError(t, tab.Stop(t.Context()))
}

func TestAModuleThatBreaksWhileRunningIsToldWithItsName(t *testing.T) {
	t.Parallel()
	var j journal
	var g lifecycle.Group
	mod := j.module("monitor")
	mod.Failed = g.Failed
	broken := make(chan struct{})
	mod.Start = func(context.Context) error {
		g.Go("ship", func(context.Context) error { <-broken; return errors.New("disk full") })
		return nil
	}
	mod.Stop = g.Stop
	quiet := j.module("registry")
	quiet.Failed = func() <-chan error { return nil }
	tab := table(t, quiet, mod)
	require.NoError(t, tab.Start(t.Context()))
	close(broken)
	require.EqualError(t, <-tab.Failed(), "monitor failed: ship: disk full")
	require.NoError(t, tab.Stop(t.Context()), "what broke is stopped like the rest")
	require.Equal(t, []string{"start registry", "stop registry"}, j.lines)
}

func TestAGroupCancelsItsLoopsAndWaits(t *testing.T) {
	t.Parallel()
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "acting as"))
	g := lifecycle.NewGroup(ctx)
	cancel() // a group outlives the start that made it
	var j journal
	running := make(chan string, 2)
	for _, name := range []string{"a", "b"} {
		g.Go(name, func(ctx context.Context) error {
			running <- ctx.Value(key{}).(string)
			<-ctx.Done()
			j.write("end " + name)
			return ctx.Err()
		})
	}
	require.Equal(t, "acting as", <-running)
	require.Equal(t, "acting as", <-running)
	require.NoError(t, g.Stop(t.Context()))
	slices.Sort(j.lines)
	require.Equal(t, []string{"end a", "end b"}, j.lines)
	require.Empty(t, g.Failed(), "an end that Stop asked for is no failure")
	g.Go("late", func(context.Context) error { panic("must not run") })
	require.NoError(t, g.Stop(t.Context()))
}

func TestAGroupTellsItsFirstFailureAndItsPanics(t *testing.T) {
	t.Parallel()
	var g lifecycle.Group
	g.Go("done", func(context.Context) error { return nil })
	g.Go("bad", func(context.Context) error { panic("oh") })
	require.ErrorContains(t, <-g.Failed(), "bad: panic: oh")
	g.Go("own cancel", func(context.Context) error { return context.Canceled })
	require.ErrorContains(t, <-g.Failed(), "own cancel: context canceled", "a loop that gives up by itself has failed")
	require.NoError(t, g.Stop(t.Context()))
}

func TestAGroupDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	var g lifecycle.Group
	release := make(chan struct{})
	g.Go("deaf", func(context.Context) error { <-release; return nil })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, g.Stop(ctx), context.Canceled)
	close(release)
	require.NoError(t, g.Stop(t.Context()))
}
