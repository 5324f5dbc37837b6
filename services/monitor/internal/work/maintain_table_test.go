package work_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
	"github.com/slipway-ai/slipway/services/monitor/internal/work"
)

func TestTheTableIsJoinedAndCleanedByTheClock(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now().UTC())
	dir := t.TempDir()
	store, err := delta.NewLocal(dir)
	require.NoError(t, err)
	o := inference.TableOptions()
	o.Now, o.CheckpointEvery, o.CompactedRetention = fake.Now, 8, 24*time.Hour
	spec := inference.Spec()
	spec.Properties["delta.logRetentionDuration"] = delta.Interval(24 * time.Hour)
	table, err := delta.OpenOrCreate(t.Context(), store, spec, o)
	require.NoError(t, err)
	const commits = 40
	for i := range commits {
		r := &inference.Record{RequestID: fmt.Sprint(i), RequestTime: fake.Now(), Endpoint: "chat", Source: "gw", Seq: int64(i)}
		inference.Prepare(r, inference.DefaultLimits(), fake.Now())
		_, err := table.Append(t.Context(), inference.Partition(r.Day(), "chat"), inference.Batch([]*inference.Record{r}))
		require.NoError(t, err)
	}
	files := func() (n int) {
		for _, err := range store.List(t.Context(), "") {
			require.NoError(t, err)
			n++
		}
		return n
	}
	before := files()
	metrics, err := work.NewTableMetrics(nil)
	require.NoError(t, err)
	m := &work.Maintenance{
		Table: table, CompactEvery: time.Minute, VacuumEvery: time.Hour, Clock: fake, Log: slog.New(slog.DiscardHandler), Metrics: metrics,
		Compact: delta.CompactOptions{Settled: work.Settled(fake.Now, inference.ColRequestDate)},
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.ErrorIs(t, <-done, context.Canceled) })
	fake.Await(2)
	fake.Advance(time.Minute)
	testkit.Eventually(t, testkit.Patience, func() bool { return table.Snapshot().NumFiles() == 1 }, "joined")
	fake.Advance(8 * 24 * time.Hour)
	testkit.Eventually(t, testkit.Patience, func() bool {
		fake.Advance(time.Hour)
		return files() < before/4
	}, "cleaned")
	again, err := delta.Open(t.Context(), store, o)
	require.NoError(t, err)
	rows, exact := again.Snapshot().NumRecords()
	require.True(t, exact)
	require.EqualValues(t, commits, rows)
}

func TestADayIsSettledWhenLateRecordsHaveHadTheirTime(t *testing.T) {
	t.Parallel()
	settled := work.Settled(func() time.Time { return time.Date(2026, 3, 5, 3, 0, 0, 0, time.UTC) }, "request_date")
	for day, want := range map[string]bool{"2026-03-02": true, "2026-03-03": true, "2026-03-04": false, "2026-03-05": false, "x": false} {
		require.Equal(t, want, settled(map[string]*string{"request_date": &day}), day)
	}
	require.False(t, settled(map[string]*string{}))
}
