package flow_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow/flowtest"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
)

// commit writes rows to a real inference table.
func commit(t *testing.T, table *delta.Table, rows []flowtest.Row) {
	t.Helper()
	byDay := map[int64][]*inference.Record{}
	for _, r := range rows {
		rec := &inference.Record{
			RequestID: r.RequestID, RequestTime: r.At, Endpoint: r.Endpoint, ServedEntity: r.ServedEntity, Requester: r.Requester, Task: "chat",
			Stream: r.Stream, StatusCode: r.Status, ExecutionDuration: int64(math.Round(r.DurationMS * 1000)), TTFT: int64(math.Round(r.TTFTMS * 1000)),
			InputTokens: r.InputTokens, OutputTokens: r.OutputTokens, FinishReason: r.FinishReason,
			TrafficBucket: -1, Source: "gw", Epoch: 1,
		}
		rec.PromptChars, rec.ResponseChars, rec.Lang = r.PromptChars, r.ResponseChar, r.Lang
		byDay[rec.Day()] = append(byDay[rec.Day()], rec)
	}
	for day, records := range byDay {
		_, err := table.Append(t.Context(), inference.Partition(day, records[0].Endpoint), inference.Batch(records))
		require.NoError(t, err)
	}
}

func TestMonitorsSeeInTheRealTableWhatTheySeeInMemory(t *testing.T) {
	t.Parallel()
	place, err := delta.NewLocal(t.TempDir())
	require.NoError(t, err)
	table, err := delta.OpenOrCreate(t.Context(), place, inference.Spec(), inference.TableOptions())
	require.NoError(t, err)

	rng, ctx := rand.New(rand.NewPCG(11, 11)), as(t, "ada")
	inMemory, inTable := newBench(t), newBench(t)
	inTable.monitors.Rows = flow.TableRows{Table: table}
	add := func(rows []flowtest.Row) {
		inMemory.log.Append(rows...)
		commit(t, table, rows)
	}
	// Whole microseconds, which is what the table keeps.
	whole := func(rows []flowtest.Row) []flowtest.Row {
		for i := range rows {
			rows[i].DurationMS = float64(int64(rows[i].DurationMS*1000)) / 1000
			rows[i].TTFTMS = float64(int64(rows[i].TTFTMS*1000)) / 1000
		}
		return rows
	}
	add(whole(usual(rng, t0, time.Hour, 400)))
	add(whole(usual(rng, t0.Add(time.Hour), 40*time.Minute, 400)))
	add(whole(shifted(usual(rng, t0.Add(110*time.Minute), 10*time.Minute, 200))))
	var profiles [][]domain.ProfileMetrics
	var drifts [][]domain.DriftMetrics
	for _, b := range []*bench{inMemory, inTable} {
		m := monitor()
		m.Baseline = hour(0)
		got, err := b.monitors.CreateMonitor(ctx, m, nil)
		require.NoError(t, err)
		require.EqualValues(t, 400, got.BaselineRows)
		r, err := b.monitors.RefreshMonitor(ctx, "m", domain.Window{})
		require.NoError(t, err)
		require.EqualValues(t, 1000, r.Rows)
		require.Equal(t, []string{"input_tokens", "lang", "prompt_chars"}, driftedColumns(r.Drift))
		require.Len(t, r.Opened, 1)
		profile, _, err := b.monitors.ListProfileMetrics(ctx, domain.MetricsQuery{Monitor: "m", Limit: 10_000})
		require.NoError(t, err)
		drift, _, err := b.monitors.ListDriftMetrics(ctx, domain.MetricsQuery{Monitor: "m", Limit: 10_000})
		require.NoError(t, err)
		profiles, drifts = append(profiles, withoutVersions(profile)), append(drifts, drift)
	}
	require.Equal(t, profiles[0], profiles[1])
	require.Equal(t, drifts[0], drifts[1])

	idle, err := inTable.monitors.RefreshMonitor(ctx, "m", domain.Window{})
	require.NoError(t, err)
	require.Zero(t, idle.Windows, "the version it has read is remembered")
	add(whole(usual(rng, t0.Add(5*time.Minute), time.Minute, 50)))
	late, err := inTable.monitors.RefreshMonitor(ctx, "m", domain.Window{})
	require.NoError(t, err)
	require.Equal(t, 1, late.Windows, "late rows touch their own window only")
}
