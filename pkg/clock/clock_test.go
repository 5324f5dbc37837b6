package clock_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/clock"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestFakeStandsStillUntilItIsAdvanced(t *testing.T) {
	t.Parallel()
	f := clock.NewFake(noon)
	require.Equal(t, noon, f.Now())
	f.Advance(90 * time.Minute)
	require.Equal(t, noon.Add(90*time.Minute), f.Now())
}

func TestFakeFiresTimersInTheOrderOfTheirTimes(t *testing.T) {
	t.Parallel()
	f := clock.NewFake(noon)
	late, early, never, now := f.After(2*time.Second), f.After(time.Second), f.After(time.Minute), f.After(0)
	require.Equal(t, noon, <-now)
	f.Advance(5 * time.Second)
	require.Equal(t, noon.Add(time.Second), <-early)
	require.Equal(t, noon.Add(2*time.Second), <-late)
	require.Empty(t, never)
}

func TestFakeTickerTicksAndDropsWhatNobodyTakes(t *testing.T) {
	t.Parallel()
	f := clock.NewFake(noon)
	tick := f.NewTicker(time.Second)
	f.Advance(time.Second)
	require.Equal(t, noon.Add(time.Second), <-tick.C())
	f.Advance(3 * time.Second)
	require.Equal(t, noon.Add(2*time.Second), <-tick.C(), "the first of three that were due")
	require.Empty(t, tick.C())

	tick.Reset(10 * time.Second)
	f.Advance(9 * time.Second)
	require.Empty(t, tick.C())
	f.Advance(time.Second)
	require.Equal(t, noon.Add(14*time.Second), <-tick.C())

	tick.Stop()
	f.Advance(time.Hour)
	require.Empty(t, tick.C())
	tick.Reset(time.Second)
	f.Advance(time.Second)
	require.Len(t, tick.C(), 1, "a stopped ticker can be started again")
}

func TestFakeAwaitReturnsOnceSomebodyWaits(t *testing.T) {
	t.Parallel()
	f := clock.NewFake(noon)
	slept := make(chan error, 1)
	go func() { slept <- clock.Sleep(context.Background(), f, time.Hour) }()
	f.Await(1)
	require.Empty(t, slept)
	f.Advance(time.Hour)
	require.NoError(t, <-slept)
}

func TestSleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	f := clock.NewFake(noon)
	ctx, cancel := context.WithCancel(context.Background())
	slept := make(chan error, 1)
	go func() { slept <- clock.Sleep(ctx, f, time.Hour) }()
	f.Await(1)
	cancel()
	require.ErrorIs(t, <-slept, context.Canceled)
	require.ErrorIs(t, clock.Sleep(ctx, f, 0), context.Canceled)
}

func TestSystemIsTheMachinesClock(t *testing.T) {
	t.Parallel()
	c := clock.System()
	before := time.Now()
	require.False(t, c.Now().Before(before))
	require.False(t, (<-c.After(time.Millisecond)).Before(before))
	tick := c.NewTicker(time.Millisecond)
	defer tick.Stop()
	require.False(t, (<-tick.C()).Before(before))
	tick.Reset(2 * time.Millisecond)
	<-tick.C()
}
