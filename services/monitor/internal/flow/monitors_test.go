package flow_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow/flowtest"
	"github.com/slipway-ai/slipway/services/monitor/internal/store"
)

var t0 = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// bench is one test's world: a real store, a log in memory, a clock that stands.
type bench struct {
	monitors *flow.Monitors
	feedback *flow.Feedbacks
	alerts   *flow.Alerts
	log      *flowtest.Log
	access   *flowtest.Access
	clock    *clock.Fake
	memory   store.MonitorStore
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{log: &flowtest.Log{}, access: &flowtest.Access{}, clock: clock.NewFake(t0.Add(2 * time.Hour))}
	b.memory = store.NewMonitorStore(testkit.OpenStore(t, testkit.SQLite(t), os.DirFS("../store/migrations")))
	ids := id.UUIDv7()
	b.monitors = &flow.Monitors{Memory: b.memory, Rows: b.log, Access: b.access, Clock: b.clock, IDs: ids, Log: telemetry.Discard().Log}
	b.feedback = &flow.Feedbacks{Memory: b.memory, Requests: b.log, Access: b.access, Clock: b.clock, IDs: ids}
	b.alerts = &flow.Alerts{Memory: b.memory, Access: b.access}
	b.access.Grant("ada", "chat", flow.Manage)
	b.access.Grant("bob", "chat", flow.Execute)
	return b
}

func as(t *testing.T, name string) context.Context {
	return auth.With(t.Context(), auth.Principal{Name: name, Kind: auth.User})
}

// usual makes n rows of everyday traffic within a span.
func usual(rng *rand.Rand, from time.Time, span time.Duration, n int) []flowtest.Row {
	rows := make([]flowtest.Row, n)
	for i := range rows {
		chars := int64(20 + rng.IntN(120))
		rows[i] = flowtest.Row{
			RequestID: fmt.Sprintf("%d-%d", from.UnixNano(), i), Endpoint: "chat", At: from.Add(time.Duration(rng.Int64N(int64(span)))).Truncate(time.Microsecond),
			ServedEntity: "a", Requester: "bob", Status: 200, DurationMS: 50 + rng.ExpFloat64()*20, InputTokens: chars / 4,
			OutputTokens: int64(30 + rng.IntN(30)), PromptChars: chars, ResponseChar: int64(100 + rng.IntN(100)),
			Lang: []string{"en", "en", "en", "de", "sv"}[rng.IntN(5)], FinishReason: "stop", Stream: i%3 == 0,
		}
		if rng.IntN(10) == 0 {
			rows[i].ServedEntity = "b"
		}
		if rows[i].Stream {
			rows[i].TTFTMS = 10 + rng.Float64()
		}
	}
	return rows
}

// shifted turns rows into long questions in another language.
func shifted(rows []flowtest.Row) []flowtest.Row {
	out := slices.Clone(rows)
	for i := range out {
		out[i].Lang = "ja"
		out[i].PromptChars += 400
		out[i].InputTokens = out[i].PromptChars / 2
	}
	return out
}

func monitor() domain.Monitor {
	return domain.Monitor{Name: "m", Endpoint: "chat", Granularity: domain.Granularity(10 * time.Minute), RefreshInterval: time.Minute}
}

func hour(i int) domain.Window {
	return domain.Window{Start: t0.Add(time.Duration(i) * time.Hour), End: t0.Add(time.Duration(i+1) * time.Hour)}
}

func driftedColumns(rows []domain.DriftMetrics) []string {
	var out []string
	for _, d := range rows {
		if d.Drifted {
			out = append(out, d.Column)
		}
	}
	return out
}

func TestARefreshNamesExactlyTheColumnsThatMoved(t *testing.T) {
	t.Parallel()
	b, ctx, rng := newBench(t), as(t, "ada"), rand.New(rand.NewPCG(1, 1))
	b.log.Append(usual(rng, t0, time.Hour, 300)...)
	b.log.Append(usual(rng, t0.Add(time.Hour), time.Hour, 250)...)
	b.log.Append(shifted(usual(rng, t0.Add(2*time.Hour), time.Hour, 250))...)
	_, err := b.monitors.CreateMonitor(ctx, monitor(), nil)
	require.NoError(t, err)
	m, err := b.monitors.SetBaseline(ctx, "m", hour(0))
	require.NoError(t, err)
	require.EqualValues(t, 300, m.BaselineRows)

	same, err := b.monitors.RefreshMonitor(ctx, "m", hour(1))
	require.NoError(t, err)
	require.EqualValues(t, 250, same.Rows)
	require.Equal(t, 1, same.Windows)
	require.Empty(t, driftedColumns(same.Drift))
	require.Empty(t, same.Opened)

	moved, err := b.monitors.RefreshMonitor(ctx, "m", hour(2))
	require.NoError(t, err)
	require.Equal(t, []string{"input_tokens", "lang", "prompt_chars"}, driftedColumns(moved.Drift))
	require.Len(t, moved.Opened, 1)
	require.Len(t, moved.Drift, len(domain.StandardColumns()))
	for _, d := range moved.Drift {
		switch d.Column {
		case "finish_reason", "status_code":
			require.Equal(t, domain.StatusConstant, d.Status, d.Column)
		case "lang":
			require.InDelta(t, 0.8325546, *d.JSDistance, 1e-6, "no language in common")
			require.Nil(t, d.KSStatistic)
			require.Contains(t, d.Method, "χ²")
		case "prompt_chars":
			require.Equal(t, 1.0, *d.KSStatistic)
			require.InDelta(t, 400, *d.MeanDelta, 15)
			require.InDelta(t, *d.MeanDelta, *d.Wasserstein, 1e-9, "a pure shift")
			require.Contains(t, d.Method, "p exact, D exact")
		case "ttft_ms":
			require.Less(t, d.NCur, int64(100), "only streams have one")
		}
	}
	again, err := b.monitors.RefreshMonitor(ctx, "m", hour(2))
	require.NoError(t, err)
	require.Equal(t, moved.Drift, again.Drift)
	require.Equal(t, moved.Profile, again.Profile)
	require.Empty(t, again.Opened, "the same alert is still open")

	alerts, _, err := b.alerts.ListAlerts(ctx, domain.AlertQuery{Monitor: "m", Limit: 10})
	require.NoError(t, err)
	require.Len(t, alerts, 1)
	require.ElementsMatch(t, []string{"input_tokens", "lang", "prompt_chars"}, alerts[0].Columns)
	back, err := b.monitors.RefreshMonitor(ctx, "m", hour(1))
	require.NoError(t, err)
	require.Equal(t, moved.Opened, back.Closed)
}

func TestProfilesDescribeAllRowsAndEachServedEntity(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), as(t, "ada")
	rows := usual(rand.New(rand.NewPCG(2, 2)), t0, time.Hour, 100)
	rows[0].Status, rows[1].Status, rows[2].Status = 503, 0, 429
	rows[3].ServedEntity = ""
	b.log.Append(rows...)
	_, err := b.monitors.CreateMonitor(ctx, monitor(), nil)
	require.NoError(t, err)
	got, err := b.monitors.RefreshMonitor(ctx, "m", hour(0))
	require.NoError(t, err)
	byKey := map[string]domain.ProfileMetrics{}
	perSlice := map[string]int64{}
	for _, p := range got.Profile {
		byKey[p.SliceValue+"/"+p.Column] = p
		if p.Column == "lang" {
			perSlice[p.SliceValue] = p.Rows
		}
	}
	require.EqualValues(t, 2, byKey["/:table"].Errors, "503 and the one that never ended; 429 is the caller's")
	require.EqualValues(t, 100, perSlice[""])
	require.EqualValues(t, 99, perSlice["a"]+perSlice["b"])
	require.EqualValues(t, 1, byKey["/status_code"].Nulls)
	require.EqualValues(t, 66, byKey["/ttft_ms"].Nulls)
	chars := make([]float64, 0, 100)
	for _, r := range rows {
		chars = append(chars, float64(r.PromptChars))
	}
	slices.Sort(chars)
	n := byKey["/prompt_chars"].Numeric
	require.Equal(t, chars[49], n.Median)
	require.Equal(t, chars[94], n.P95)
	require.Equal(t, chars[0], n.Min)
	require.Equal(t, "200", byKey["/status_code"].Frequent[0].Item)
	require.True(t, n.Exact)
}

func TestTumblingRefreshesEqualOneRefreshOfEverything(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 3))
	var commits [][]flowtest.Row
	for i := range 6 {
		commits = append(commits, usual(rng, t0.Add(time.Duration(i)*20*time.Minute), 25*time.Minute, 90)) // they overlap
	}
	late := usual(rng, t0.Add(5*time.Minute), 30*time.Minute, 40) // rows that come hours late
	commits = append(commits, shifted(late))

	stepwise, ctx := newBench(t), as(t, "ada")
	stepwise.log.Append(commits[0]...)
	create := func(b *bench) {
		_, err := b.monitors.CreateMonitor(ctx, monitor(), nil)
		require.NoError(t, err)
		_, err = b.monitors.SetBaseline(ctx, "m", domain.Window{Start: t0, End: t0.Add(8 * time.Minute)})
		require.NoError(t, err)
	}
	create(stepwise)
	for i, c := range commits {
		if i > 0 {
			stepwise.log.Append(c...)
		}
		_, err := stepwise.monitors.RefreshMonitor(ctx, "m", domain.Window{})
		require.NoError(t, err)
	}
	idle, err := stepwise.monitors.RefreshMonitor(ctx, "m", domain.Window{})
	require.NoError(t, err)
	require.Zero(t, idle.Windows, "nothing new, nothing computed")

	atOnce := newBench(t)
	atOnce.log.Append(commits[0]...)
	create(atOnce)
	for _, c := range commits[1:] {
		atOnce.log.Append(c...)
	}
	whole, err := atOnce.monitors.RefreshMonitor(ctx, "m", domain.Window{})
	require.NoError(t, err)
	require.Equal(t, 13, whole.Windows)

	q := domain.MetricsQuery{Monitor: "m", Limit: 10_000}
	want, _, err := atOnce.monitors.ListDriftMetrics(ctx, q)
	require.NoError(t, err)
	got, _, err := stepwise.monitors.ListDriftMetrics(ctx, q)
	require.NoError(t, err)
	// A window is compared with the one before as that was when it was computed, so
	// only the comparison with the baseline is independent of the order of arrival.
	require.Equal(t, onlyBaseline(want), onlyBaseline(got))
	wantProfile, _, err := atOnce.monitors.ListProfileMetrics(ctx, q)
	require.NoError(t, err)
	gotProfile, _, err := stepwise.monitors.ListProfileMetrics(ctx, q)
	require.NoError(t, err)
	require.Equal(t, withoutVersions(wantProfile), withoutVersions(gotProfile))
}

func onlyBaseline(rows []domain.DriftMetrics) []domain.DriftMetrics {
	return slices.DeleteFunc(slices.Clone(rows), func(d domain.DriftMetrics) bool { return d.Type != domain.DriftBaseline })
}

func withoutVersions(rows []domain.ProfileMetrics) []domain.ProfileMetrics {
	out := slices.Clone(rows)
	for i := range out {
		out[i].TableVersion = 0
	}
	return out
}

func TestWindowsAreComparedWithTheOneBefore(t *testing.T) {
	t.Parallel()
	b, ctx, rng := newBench(t), as(t, "ada"), rand.New(rand.NewPCG(4, 4))
	b.log.Append(usual(rng, t0, 20*time.Minute, 200)...)
	b.log.Append(shifted(usual(rng, t0.Add(20*time.Minute), 20*time.Minute, 200))...)
	_, err := b.monitors.CreateMonitor(ctx, monitor(), nil)
	require.NoError(t, err)
	_, err = b.monitors.RefreshMonitor(ctx, "m", domain.Window{})
	require.NoError(t, err)
	rows, _, err := b.monitors.ListDriftMetrics(ctx, domain.MetricsQuery{Monitor: "m", Column: "lang", Limit: 100})
	require.NoError(t, err)
	require.Len(t, rows, 3, "four windows, of which the first has none before it")
	moved := []bool{}
	for _, d := range rows {
		require.Equal(t, domain.DriftConsecutive, d.Type)
		require.Equal(t, d.Window.Start, d.WindowCmp.End)
		moved = append(moved, d.Drifted)
	}
	require.Equal(t, []bool{false, true, false}, moved)
}

func TestAnAlertFollowsTumblingWindowsAndOldOnesAreNotJudgedAgain(t *testing.T) {
	t.Parallel()
	b, ctx, rng := newBench(t), as(t, "ada"), rand.New(rand.NewPCG(5, 5))
	b.log.Append(usual(rng, t0, 10*time.Minute, 200)...)
	m := monitor()
	m.Baseline = domain.Window{Start: t0, End: t0.Add(10 * time.Minute)}
	m.Thresholds = []domain.Threshold{{Metric: domain.MetricDrifted, Column: "lang"}}
	_, err := b.monitors.CreateMonitor(ctx, m, nil)
	require.NoError(t, err)
	step := func(rows []flowtest.Row) flow.RefreshResult {
		b.log.Append(rows...)
		r, err := b.monitors.RefreshMonitor(ctx, "m", domain.Window{})
		require.NoError(t, err)
		return r
	}
	at := func(i int) time.Time { return t0.Add(time.Duration(i) * 10 * time.Minute) }
	first := step(nil)
	require.Equal(t, domain.StatusInsideBaseline, first.Drift[0].Status)
	require.Empty(t, step(usual(rng, at(1), 10*time.Minute, 200)).Opened)
	require.Len(t, step(shifted(usual(rng, at(2), 10*time.Minute, 200))).Opened, 1)
	few := step(usual(rng, at(3), 10*time.Minute, 20))
	require.Empty(t, few.Closed, "twenty rows say nothing")
	require.Equal(t, domain.StatusInsufficient, few.Drift[0].Status)
	require.Empty(t, step(usual(rng, at(1), 10*time.Minute, 5)).Closed, "a late row of an old window closes nothing")
	closed := step(usual(rng, at(3), 10*time.Minute, 200))
	require.Len(t, closed.Closed, 1)
	require.Equal(t, at(3).Add(10*time.Minute).Truncate(time.Hour), closed.DataTime.Truncate(time.Hour))
}

func TestABacklogOfOldWindowsRaisesNoAlarm(t *testing.T) {
	t.Parallel()
	b, ctx, rng := newBench(t), as(t, "ada"), rand.New(rand.NewPCG(6, 6))
	for i := range 100 { // more than one chunk, with a hole in the middle
		if i == 40 {
			continue
		}
		rows := usual(rng, t0.Add(time.Duration(i)*time.Minute), time.Minute, 40)
		if i == 50 {
			rows = shifted(rows)
		}
		b.log.Append(rows...)
	}
	m := monitor()
	m.Granularity, m.Baseline = domain.Granularity(time.Minute), domain.Window{Start: t0, End: t0.Add(10 * time.Minute)}
	_, err := b.monitors.CreateMonitor(ctx, m, nil)
	require.NoError(t, err)
	r, err := b.monitors.RefreshMonitor(ctx, "m", domain.Window{})
	require.NoError(t, err)
	require.Equal(t, 99, r.Windows)
	require.EqualValues(t, 99*40, r.Rows)
	require.Empty(t, r.Opened)
	got, err := b.monitors.GetMonitor(ctx, "m")
	require.NoError(t, err)
	require.EqualValues(t, 99, got.TableVersion)
	require.Equal(t, t0.Add(99*time.Minute), got.EvaluatedFrom)
}

func TestABaselineNeedsRows(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), as(t, "ada")
	b.log.Append(usual(rand.New(rand.NewPCG(7, 7)), t0, time.Hour, 29)...)
	m := monitor()
	m.Baseline = hour(0)
	_, err := b.monitors.CreateMonitor(ctx, m, nil)
	require.Equal(t, fault.FailedPrecondition, fault.KindOf(err))
	require.Contains(t, fault.Text(err), "29 rows")
	_, err = b.monitors.GetMonitor(ctx, "m")
	require.Equal(t, fault.NotFound, fault.KindOf(err), "nothing half-made is left")
}

func TestAFailedRefreshIsRememberedUntilOneSucceeds(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), as(t, "ada")
	b.log.Append(usual(rand.New(rand.NewPCG(8, 8)), t0, time.Hour, 60)...)
	_, err := b.monitors.CreateMonitor(ctx, monitor(), nil)
	require.NoError(t, err)
	b.log.Fail = fault.New("test", fault.Unavailable, "the inference table cannot be read")
	_, err = b.monitors.RefreshMonitor(ctx, "m", domain.Window{})
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	m, err := b.monitors.GetMonitor(ctx, "m")
	require.NoError(t, err)
	require.Equal(t, "the inference table cannot be read", m.LastError)
	require.EqualValues(t, domain.NothingRead, m.TableVersion)
	b.log.Fail = nil
	_, err = b.monitors.RefreshMonitor(ctx, "m", domain.Window{})
	require.NoError(t, err)
	m, err = b.monitors.GetMonitor(ctx, "m")
	require.NoError(t, err)
	require.Empty(t, m.LastError)
	require.Equal(t, t0.Add(2*time.Hour), m.LastRefreshTime)
}

func TestAnUpdateComputesAgainOnlyWhatItMust(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), as(t, "ada")
	b.log.Append(usual(rand.New(rand.NewPCG(9, 9)), t0, time.Hour, 300)...)
	m, err := b.monitors.CreateMonitor(ctx, monitor(), nil)
	require.NoError(t, err)
	_, err = b.monitors.RefreshMonitor(ctx, "m", domain.Window{})
	require.NoError(t, err)

	m.Webhooks = []domain.Webhook{{URL: "https://x.example/"}}
	m, err = b.monitors.UpdateMonitor(ctx, m, map[string]config.Secret{"https://x.example/": "s"})
	require.NoError(t, err)
	require.EqualValues(t, 2, m.Version)
	require.EqualValues(t, 1, m.TableVersion, "a webhook changes no number")
	require.True(t, m.Webhooks[0].HasSecret)

	stale := m
	stale.Version = 1
	_, err = b.monitors.UpdateMonitor(ctx, stale, nil)
	require.Equal(t, fault.Aborted, fault.KindOf(err))
	elsewhere := m
	elsewhere.Endpoint = "other"
	_, err = b.monitors.UpdateMonitor(ctx, elsewhere, nil)
	require.Equal(t, fault.Invalid, fault.KindOf(err))

	m.Granularity = domain.Granularity(time.Hour)
	m, err = b.monitors.UpdateMonitor(ctx, m, nil)
	require.NoError(t, err)
	require.EqualValues(t, domain.NothingRead, m.TableVersion)
	rows, more, err := b.monitors.ListProfileMetrics(ctx, domain.MetricsQuery{Monitor: "m", Limit: 5})
	require.NoError(t, err)
	require.Empty(t, rows, "windows of another length are gone")
	require.False(t, more)
	r, err := b.monitors.RefreshMonitor(ctx, "m", domain.Window{})
	require.NoError(t, err)
	require.Equal(t, 1, r.Windows)
	page, more, err := b.monitors.ListProfileMetrics(ctx, domain.MetricsQuery{Monitor: "m", Limit: 5})
	require.NoError(t, err)
	require.Len(t, page, 5)
	require.True(t, more)
}

func TestWhoMayNotSeeTheEndpointDoesNotLearnOfItsMonitors(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.log.Append(usual(rand.New(rand.NewPCG(10, 10)), t0, time.Hour, 60)...)
	_, err := b.monitors.CreateMonitor(as(t, "bob"), monitor(), nil)
	require.Equal(t, fault.PermissionDenied, fault.KindOf(err))
	_, err = b.monitors.CreateMonitor(as(t, "eve"), monitor(), nil)
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	_, err = b.monitors.CreateMonitor(as(t, "ada"), monitor(), nil)
	require.NoError(t, err)
	secret := monitor()
	secret.Name, secret.Endpoint = "x", "vault"
	_, err = b.monitors.CreateMonitor(auth.With(t.Context(), auth.Service("test")), secret, nil)
	require.NoError(t, err)

	for name, call := range map[string]func(ctx context.Context) error{
		"get":      func(ctx context.Context) error { _, err := b.monitors.GetMonitor(ctx, "m"); return err },
		"update":   func(ctx context.Context) error { _, err := b.monitors.UpdateMonitor(ctx, monitor(), nil); return err },
		"delete":   func(ctx context.Context) error { return b.monitors.DeleteMonitor(ctx, "m") },
		"baseline": func(ctx context.Context) error { _, err := b.monitors.SetBaseline(ctx, "m", hour(0)); return err },
		"refresh":  func(ctx context.Context) error { _, err := b.monitors.RefreshMonitor(ctx, "m", hour(0)); return err },
		"profile": func(ctx context.Context) error {
			_, _, err := b.monitors.ListProfileMetrics(ctx, domain.MetricsQuery{Monitor: "m", Limit: 1})
			return err
		},
		"drift": func(ctx context.Context) error {
			_, _, err := b.monitors.ListDriftMetrics(ctx, domain.MetricsQuery{Monitor: "m", Limit: 1})
			return err
		},
		"alerts": func(ctx context.Context) error {
			_, _, err := b.alerts.ListAlerts(ctx, domain.AlertQuery{Monitor: "m", Limit: 1})
			return err
		},
	} {
		require.Equal(t, fault.PermissionDenied, fault.KindOf(call(as(t, "bob"))), name)
		err := call(as(t, "eve"))
		require.Equal(t, fault.NotFound, fault.KindOf(err), name)
		require.Equal(t, "monitor m does not exist", fault.Text(err), "the same words as for a name that is free")
	}
	for who, want := range map[string]int{"ada": 1, "bob": 0, "eve": 0} {
		page, more, err := b.monitors.ListMonitors(as(t, who), "", "", 1)
		require.NoError(t, err)
		require.Len(t, page, want, who)
		require.False(t, more, who)
	}
	require.NoError(t, b.monitors.DeleteMonitor(as(t, "ada"), "m"))
}

func TestFeedbackIsForWhoMayQueryOrDidAsk(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.log.Append(flowtest.Row{RequestID: "r1", Endpoint: "chat", Requester: "carol", At: t0})
	give := func(who, request string, value any) error {
		_, err := b.feedback.CreateFeedback(as(t, who), domain.Feedback{RequestID: request, Endpoint: "chat", Name: "thumbs", Value: value})
		return err
	}
	require.NoError(t, give("bob", "not-logged-yet", true))
	require.NoError(t, give("carol", "r1", "fine"), "she asked, though she may query no more")
	require.Equal(t, fault.NotFound, fault.KindOf(give("carol", "r2", true)))
	require.Equal(t, fault.NotFound, fault.KindOf(give("eve", "r1", true)))
	require.Equal(t, fault.Invalid, fault.KindOf(give("bob", "r1", []any{1})))
	require.Equal(t, fault.Invalid, fault.KindOf(give("bob", "r1", "a\x00b")))

	list := func(who string, q domain.FeedbackQuery) (int, error) {
		q.Limit = 10
		page, _, err := b.feedback.ListFeedback(as(t, who), q)
		return len(page), err
	}
	for _, c := range []struct {
		who  string
		q    domain.FeedbackQuery
		want int
		kind fault.Kind
	}{
		{"ada", domain.FeedbackQuery{Endpoint: "chat"}, 2, ""},
		{"bob", domain.FeedbackQuery{Endpoint: "chat"}, 1, ""},
		{"eve", domain.FeedbackQuery{Endpoint: "chat"}, 0, fault.NotFound},
		{"carol", domain.FeedbackQuery{RequestID: "r1"}, 1, ""},
		{"eve", domain.FeedbackQuery{RequestID: "r1"}, 0, ""},
		{"ada", domain.FeedbackQuery{}, 0, fault.PermissionDenied},
	} {
		n, err := list(c.who, c.q)
		require.Equal(t, c.kind, fault.KindOf(err), "%s %+v", c.who, c.q)
		require.Equal(t, c.want, n, "%s %+v", c.who, c.q)
	}
}

func TestARegistryThatIsAwayIsAnErrorNotARefusal(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, err := b.monitors.CreateMonitor(as(t, "ada"), monitor(), nil)
	require.NoError(t, err)
	b.access.Broken = fault.New("test", fault.Unavailable, "the registry does not answer")
	_, _, err = b.monitors.ListMonitors(as(t, "ada"), "", "", 5)
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	_, err = b.monitors.GetMonitor(as(t, "ada"), "m")
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
}
