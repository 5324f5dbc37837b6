package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/store"
)

func minute(i int) domain.Window {
	start := t0.Truncate(time.Minute).Add(time.Duration(i) * time.Minute)
	return domain.Window{Start: start, End: start.Add(time.Minute)}
}

func ptr[T any](v T) *T { return &v }

func refreshOf(m domain.Monitor, windows ...domain.Window) domain.Refresh {
	r := domain.Refresh{
		Monitor: m.Name, Version: m.Version, CreateTime: m.CreateTime, Now: t0.Add(time.Hour), Windows: windows,
		Tumbling: true, TableVersion: 41, EvaluatedFrom: t0,
	}
	for _, w := range windows {
		r.Profile = append(r.Profile,
			domain.ProfileMetrics{Window: w, Column: domain.ColumnTable, LogType: domain.LogInput, Rows: 9, Errors: 2, MonitorVersion: m.Version, TableVersion: 41},
			domain.ProfileMetrics{
				Window: w, Column: "prompt_chars", Kind: domain.Numeric, LogType: domain.LogInput, Rows: 9, Nulls: 1, Distinct: 4,
				Numeric: &domain.NumericProfile{Mean: 1.5, StdDev: 0.1, Min: -1e-300, Max: 1e300, Median: 2, P95: 3, P99: 4, Zeros: 1, Invalid: 1, Exact: true},
			},
			domain.ProfileMetrics{
				Window: w, Column: "lang", Kind: domain.Categorical, LogType: domain.LogInput, SliceKey: "served_entity", SliceValue: "größe\n'x'",
				Rows: 3, Distinct: 2, Frequent: []domain.FrequentItem{{Item: "日本", Count: 2}, {Item: "a\x00b", Count: 1}},
			})
		r.Drift = append(r.Drift,
			domain.DriftMetrics{
				Window: w, WindowCmp: minute(-100), Type: domain.DriftBaseline, Column: "prompt_chars", Kind: domain.Numeric, NRef: 100, NCur: 8,
				KSStatistic: ptr(0.5), KSPValue: ptr(1e-280), Wasserstein: ptr(3.0), WassersteinNorm: ptr(0.7), JSDistance: ptr(0.2), PSI: ptr(0.0),
				MeanDelta: ptr(-1.0), P: ptr(1e-280), PAdjusted: ptr(2e-280), EffectName: "wasserstein_normed", Effect: ptr(0.7), Drifted: true,
				Status: domain.StatusOK, Method: "KS exact", MonitorVersion: m.Version,
			},
			domain.DriftMetrics{Window: w, WindowCmp: minute(-100), Type: domain.DriftBaseline, Column: "lang", Kind: domain.Categorical, NRef: 100, Status: domain.StatusInsufficient})
	}
	return r
}

func TestARefreshReplacesItsWindowsAndNoOthers(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.MonitorStore) {
		ctx := t.Context()
		m := create(t, s, monitorNamed("m"))
		other := create(t, s, monitorNamed("other"))
		_, err := s.CommitRefresh(ctx, refreshOf(other, minute(1)), undecided)
		require.NoError(t, err)
		first := refreshOf(m, minute(1), minute(2))
		for range 3 { // repeating it changes nothing
			_, err = s.CommitRefresh(ctx, first, undecided)
			require.NoError(t, err)
		}
		profile, err := s.ProfileMetrics(ctx, domain.MetricsQuery{Monitor: "m", Limit: 100})
		require.NoError(t, err)
		drift, err := s.DriftMetrics(ctx, domain.MetricsQuery{Monitor: "m", Limit: 100})
		require.NoError(t, err)
		byWindow := func(i int) []domain.ProfileMetrics { // newest window first; ':' and empty slices sort first
			return []domain.ProfileMetrics{first.Profile[i*3], first.Profile[i*3+1], first.Profile[i*3+2]}
		}
		require.Equal(t, append(byWindow(1), byWindow(0)...), profile)
		require.Equal(t, []domain.DriftMetrics{first.Drift[3], first.Drift[2], first.Drift[1], first.Drift[0]}, drift)

		// Computed again with fewer rows: what is no longer computed is gone.
		second := refreshOf(m, minute(2))
		second.Profile, second.Drift = second.Profile[:1], nil
		_, err = s.CommitRefresh(ctx, second, undecided)
		require.NoError(t, err)
		profile, err = s.ProfileMetrics(ctx, domain.MetricsQuery{Monitor: "m", Limit: 100})
		require.NoError(t, err)
		require.Len(t, profile, 4)
		got, err := s.GetMonitor(ctx, "m")
		require.NoError(t, err)
		require.EqualValues(t, 41, got.TableVersion)
		require.Equal(t, t0, got.EvaluatedFrom)
		require.Equal(t, t0.Add(time.Hour), got.LastRefreshTime)

		// A window given by hand leaves the marks alone.
		byHand := refreshOf(m, domain.Window{Start: t0, End: t0.Add(time.Second)})
		byHand.Tumbling, byHand.TableVersion = false, 99
		_, err = s.CommitRefresh(ctx, byHand, undecided)
		require.NoError(t, err)
		got, err = s.GetMonitor(ctx, "m")
		require.NoError(t, err)
		require.EqualValues(t, 41, got.TableVersion)
		theirs, err := s.ProfileMetrics(ctx, domain.MetricsQuery{Monitor: "other", Limit: 100})
		require.NoError(t, err)
		require.Len(t, theirs, 3)
	})
}

func TestMetricsArePagedWithoutGapOrRepeat(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.MonitorStore) {
		ctx := t.Context()
		m := create(t, s, monitorNamed("m"))
		_, err := s.CommitRefresh(ctx, refreshOf(m, minute(0), minute(1), minute(2), domain.Window{Start: minute(1).Start, End: minute(9).End}), undecided)
		require.NoError(t, err)
		all, err := s.ProfileMetrics(ctx, domain.MetricsQuery{Monitor: "m", Limit: 1000})
		require.NoError(t, err)
		require.Len(t, all, 12)
		var paged []domain.ProfileMetrics
		for q := (domain.MetricsQuery{Monitor: "m", Limit: 2}); ; {
			page, err := s.ProfileMetrics(ctx, q)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			paged = append(paged, page...)
			q.After = domain.KeyOfProfile(page[len(page)-1])
		}
		require.Equal(t, all, paged)
		drift, err := s.DriftMetrics(ctx, domain.MetricsQuery{Monitor: "m", Limit: 1000})
		require.NoError(t, err)
		var pagedDrift []domain.DriftMetrics
		for q := (domain.MetricsQuery{Monitor: "m", Limit: 3}); ; {
			page, err := s.DriftMetrics(ctx, q)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			pagedDrift = append(pagedDrift, page...)
			q.After = domain.KeyOfDrift(page[len(page)-1])
		}
		require.Equal(t, drift, pagedDrift)

		only, err := s.ProfileMetrics(ctx, domain.MetricsQuery{Monitor: "m", Column: "lang", Span: domain.Window{Start: minute(1).Start, End: minute(2).Start}, Limit: 10})
		require.NoError(t, err)
		require.Len(t, only, 2, "two windows start in that minute")

		m.Version = 2
		_, err = s.UpdateMonitor(ctx, m, nil, true, undecided)
		require.NoError(t, err)
		cleared, err := s.DriftMetrics(ctx, domain.MetricsQuery{Monitor: "m", Limit: 10})
		require.NoError(t, err)
		require.Empty(t, cleared)
	})
}
