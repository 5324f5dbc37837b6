package work_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"
	"github.com/slipway-ai/slipway/services/monitor/internal/work"
)

// refresher commits an empty refresh, or fails.
type refresher struct {
	w    *world
	fail error
	done *testkit.Signal[string]
}

func (r *refresher) RefreshMonitor(ctx context.Context, name string, _ domain.Window) (flow.RefreshResult, error) {
	defer r.done.Fire(name)
	if r.fail != nil {
		return flow.RefreshResult{}, r.fail
	}
	_, err := r.w.memory.CommitRefresh(ctx, domain.Refresh{Monitor: name, Version: 1, CreateTime: t0, Now: r.w.clock.Now()},
		func([]domain.Alert) []domain.AlertChange { return nil })
	return flow.RefreshResult{Windows: 1}, err
}

func TestTheScheduleRefreshesAtEachIntervalAndAfterFailures(t *testing.T) {
	t.Parallel()
	testkit.EachBackend(t, os.DirFS("../store/migrations"), func(t *testing.T, db *sqlkit.DB) {
		w := newWorld(t, db)
		due := w.monitor
		due.Name, due.RefreshInterval = "due", time.Minute
		require.NoError(t, w.memory.CreateMonitor(t.Context(), due, nil))
		r := &refresher{w: w, done: testkit.NewSignal[string]()}
		s, err := work.NewSchedule(w.memory, r, w.clock, slog.New(slog.DiscardHandler), nil)
		require.NoError(t, err)
		pass := func(advance time.Duration) {
			w.clock.Advance(advance)
			require.NoError(t, s.Pass(t.Context()))
		}
		pass(59 * time.Second)
		r.done.None(t)
		pass(time.Second)
		require.Equal(t, "due", r.done.Wait(t))
		pass(59 * time.Second)
		r.done.None(t)
		r.fail = fault.New("test", fault.Unavailable, "the registry does not answer")
		pass(time.Second)
		r.done.Wait(t)
		m, err := w.memory.GetMonitor(t.Context(), "due")
		require.NoError(t, err)
		require.Equal(t, "the registry does not answer", m.LastError)
		r.fail = nil
		pass(time.Minute)
		r.done.Wait(t)
		m, err = w.memory.GetMonitor(t.Context(), "due")
		require.NoError(t, err)
		require.Empty(t, m.LastError)
		r.done.None(t)
	})
}

func TestTheScheduleRunsUntilItIsStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testkit.OpenStore(t, testkit.SQLite(t), os.DirFS("../store/migrations")))
	due := w.monitor
	due.Name, due.RefreshInterval = "due", time.Second
	require.NoError(t, w.memory.CreateMonitor(t.Context(), due, nil))
	r := &refresher{w: w, done: testkit.NewSignal[string]()}
	s, err := work.NewSchedule(w.memory, r, w.clock, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for range 3 {
		w.clock.Await(1)
		w.clock.Advance(time.Second)
		r.done.Wait(t)
	}
	stop()
	require.ErrorIs(t, <-done, context.Canceled)
}
