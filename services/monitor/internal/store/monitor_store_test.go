package store_test

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/store"
)

// t0 has microseconds, which both backends must keep.
var t0 = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

func eachStore(t *testing.T, test func(t *testing.T, s store.MonitorStore)) {
	t.Helper()
	testkit.EachBackend(t, os.DirFS("migrations"), func(t *testing.T, db *sqlkit.DB) { test(t, store.NewMonitorStore(db)) })
}

func monitorNamed(name string) domain.Monitor {
	m := domain.Monitor{
		Name: name, Endpoint: "chat", Granularity: domain.Granularity(time.Minute), Columns: []string{"lang", "prompt_chars"},
		Thresholds: []domain.Threshold{{Metric: domain.MetricDrifted}, {Metric: "p95", Column: "prompt_chars", Operator: ">", Value: 0.1}},
		Webhooks:   []domain.Webhook{{URL: "https://a.example/x"}, {URL: "http://b.example/y"}},
		FDR:        0.01, RefreshInterval: 90 * time.Second, Version: 1, Owner: "ada", CreateTime: t0, UpdateTime: t0,
		TableVersion: domain.NothingRead,
	}
	m.Complete()
	return m
}

func create(t *testing.T, s store.MonitorStore, m domain.Monitor) domain.Monitor {
	t.Helper()
	require.NoError(t, s.CreateMonitor(t.Context(), m, map[string]config.Secret{"https://a.example/x": "top"}))
	got, err := s.GetMonitor(t.Context(), m.Name)
	require.NoError(t, err)
	return got
}

func undecided([]domain.Alert) []domain.AlertChange { return nil }

func TestAMonitorComesBackAsItWasStored(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.MonitorStore) {
		m := monitorNamed("chat-drift")
		got := create(t, s, m)
		m.Webhooks[0].HasSecret = true
		require.Equal(t, m, got)
		err := s.CreateMonitor(t.Context(), m, nil)
		require.Equal(t, fault.AlreadyExists, fault.KindOf(err))
		_, err = s.GetMonitor(t.Context(), "other")
		require.Equal(t, fault.NotFound, fault.KindOf(err))
	})
}

func TestMonitorsAreListedByTheBytesOfTheirNames(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.MonitorStore) {
		for _, name := range []string{"b", "B", "a-1", "a_1", "Z"} {
			m := monitorNamed(name)
			if name == "Z" {
				m.Endpoint = "other"
			}
			create(t, s, m)
		}
		var names []string
		for after := ""; ; {
			page, err := s.ListMonitors(t.Context(), "", after, 2)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			for _, m := range page {
				names = append(names, m.Name)
				require.Len(t, m.Webhooks, 2)
			}
			after = names[len(names)-1]
		}
		require.Equal(t, []string{"B", "Z", "a-1", "a_1", "b"}, names)
		page, err := s.ListMonitors(t.Context(), "chat", "B", 10)
		require.NoError(t, err)
		require.Len(t, page, 3)
	})
}

func TestAnUpdateKeepsSecretsOfURLsThatStay(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.MonitorStore) {
		ctx := t.Context()
		m := create(t, s, monitorNamed("m"))
		m.Version, m.UpdateTime = 2, t0.Add(time.Hour)
		m.Webhooks = []domain.Webhook{{URL: "https://c.example/z"}, {URL: "https://a.example/x"}}
		_, err := s.UpdateMonitor(ctx, m, map[string]config.Secret{"https://c.example/z": "new"}, false, undecided)
		require.NoError(t, err)
		for url, want := range map[string]string{"https://a.example/x": "top", "https://c.example/z": "new"} {
			secret, there, err := s.WebhookSecret(ctx, "m", url)
			require.NoError(t, err)
			require.True(t, there)
			require.Equal(t, want, secret.Reveal())
		}
		_, there, err := s.WebhookSecret(ctx, "m", "http://b.example/y")
		require.NoError(t, err)
		require.False(t, there)
		got, err := s.GetMonitor(ctx, "m")
		require.NoError(t, err)
		require.Equal(t, []domain.Webhook{{URL: "https://c.example/z", HasSecret: true}, {URL: "https://a.example/x", HasSecret: true}}, got.Webhooks)
	})
}

func TestAChangeAgainstAnOldVersionIsRefused(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.MonitorStore) {
		ctx := t.Context()
		m := create(t, s, monitorNamed("m"))
		refresh := domain.Refresh{Monitor: "m", Version: m.Version, CreateTime: m.CreateTime, Now: t0}
		next := m
		next.Version = 2
		var wins, losses int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				_, err := s.UpdateMonitor(ctx, next, nil, false, undecided)
				mu.Lock()
				defer mu.Unlock()
				switch fault.KindOf(err) {
				case "":
					wins++
				case fault.Aborted:
					losses++
				default:
					t.Errorf("unexpected: %v", err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, wins)
		require.Equal(t, 5, losses)
		_, err := s.CommitRefresh(ctx, refresh, undecided)
		require.Equal(t, fault.Aborted, fault.KindOf(err), "a refresh of the old version must not store its numbers")

		require.NoError(t, s.DeleteMonitor(ctx, "m"))
		require.Equal(t, fault.NotFound, fault.KindOf(s.DeleteMonitor(ctx, "m")))
		namesake := monitorNamed("m")
		namesake.CreateTime = t0.Add(time.Microsecond)
		create(t, s, namesake)
		_, err = s.CommitRefresh(ctx, refresh, undecided)
		require.Equal(t, fault.Aborted, fault.KindOf(err), "nor into a namesake")
	})
}

func TestABaselineMakesEverythingComputedAgain(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.MonitorStore) {
		ctx := t.Context()
		m := create(t, s, monitorNamed("m"))
		profile, err := s.BaselineProfile(ctx, "m")
		require.NoError(t, err)
		require.Nil(t, profile)
		m.Baseline, m.BaselineRows, m.Version = domain.Window{Start: t0, End: t0.Add(time.Hour)}, 77, 2
		rows := []domain.ProfileMetrics{{Window: m.Baseline, Column: "lang", Kind: domain.Categorical, LogType: domain.LogBaseline, Rows: 77}}
		require.NoError(t, s.SetBaseline(ctx, m, []byte{0, 1, 255}, rows))
		profile, err = s.BaselineProfile(ctx, "m")
		require.NoError(t, err)
		require.Equal(t, []byte{0, 1, 255}, profile)
		got, err := s.GetMonitor(ctx, "m")
		require.NoError(t, err)
		require.Equal(t, m, got)
		m.Version = 3
		m.Baseline.End = m.Baseline.End.Add(time.Minute)
		rows[0].Window = m.Baseline
		require.NoError(t, s.SetBaseline(ctx, m, []byte{7}, rows))
		stored, err := s.ProfileMetrics(ctx, domain.MetricsQuery{Monitor: "m", Limit: 10})
		require.NoError(t, err)
		require.Len(t, stored, 1, "the old baseline's rows are gone")
		_, err = s.BaselineProfile(ctx, "none")
		require.Equal(t, fault.NotFound, fault.KindOf(err))
	})
}

func TestDueMonitorsAreGivenOutOnce(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.MonitorStore) {
		ctx := t.Context()
		for i := range 5 {
			create(t, s, monitorNamed(fmt.Sprint("m", i)))
		}
		onDemand := monitorNamed("manual")
		onDemand.RefreshInterval = 0
		create(t, s, onDemand)

		none, err := s.ClaimDue(ctx, t0.Add(89*time.Second), t0.Add(time.Hour), 10)
		require.NoError(t, err)
		require.Empty(t, none)
		now, until := t0.Add(2*time.Minute), t0.Add(7*time.Minute)
		var mu sync.Mutex
		given := map[string]int{}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				names, err := s.ClaimDue(ctx, now, until, 2)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("claim: %v", err)
				}
				for _, n := range names {
					given[n]++
				}
			})
		}
		wg.Wait()
		require.Equal(t, map[string]int{"m0": 1, "m1": 1, "m2": 1, "m3": 1, "m4": 1}, given)

		m, err := s.GetMonitor(ctx, "m0")
		require.NoError(t, err)
		_, err = s.CommitRefresh(ctx, domain.Refresh{Monitor: "m0", Version: 1, CreateTime: m.CreateTime, Now: now}, undecided)
		require.NoError(t, err)
		require.NoError(t, s.FailRefresh(ctx, "m1", now, "the table cannot be read"))
		require.NoError(t, s.FailRefresh(ctx, "gone", now, "why"))
		again, err := s.ClaimDue(ctx, now.Add(90*time.Second), until.Add(time.Hour), 10)
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"m0", "m1"}, again, "the others are still leased")
		late, err := s.ClaimDue(ctx, until.Add(time.Second), until.Add(time.Hour), 10)
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"m2", "m3", "m4"}, late, "a lease ends by itself")
		failed, err := s.GetMonitor(ctx, "m1")
		require.NoError(t, err)
		require.Equal(t, "the table cannot be read", failed.LastError)
		require.True(t, failed.LastRefreshTime.IsZero())
	})
}
