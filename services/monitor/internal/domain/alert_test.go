package domain_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

var now = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func window(i int) domain.Window {
	start := now.Add(time.Duration(i) * time.Minute)
	return domain.Window{Start: start, End: start.Add(time.Minute)}
}

func ptr(v float64) *float64 { return &v }

func moved(column string, effect float64) domain.DriftMetrics {
	d := domain.DriftMetrics{
		Column: column, Kind: domain.Categorical, Status: domain.StatusOK, EffectName: domain.EffectCategorical, Effect: ptr(effect), PAdjusted: ptr(1e-12),
	}
	d.Decide(0.05)
	return d
}

func TestDriftNeedsBothSignificanceAndSize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind      domain.ColumnKind
		p, effect *float64
		want      bool
	}{
		{domain.Categorical, ptr(0.01), ptr(0.1), true},
		{domain.Categorical, ptr(0.01), ptr(0.0999), false},
		{domain.Categorical, ptr(0.05), ptr(0.5), false},
		{domain.Numeric, ptr(1e-300), ptr(0.0999), false},
		{domain.Numeric, ptr(1e-300), ptr(0.1), true},
		{domain.Numeric, nil, ptr(9), false},
		{domain.Numeric, ptr(0), nil, false},
	} {
		d := domain.DriftMetrics{Kind: c.kind, PAdjusted: c.p, Effect: c.effect}
		d.Decide(0.05)
		require.Equal(t, c.want, d.Drifted)
	}
}

func TestTheWorstColumnComesFirstAndTheMessageNamesAll(t *testing.T) {
	t.Parallel()
	w := domain.Evaluated{Window: window(0), Drift: []domain.DriftMetrics{moved("lang", 0.3), moved("prompt_chars", 0.42), moved("stream", 0.01)}}
	f := domain.Threshold{Metric: domain.MetricDrifted}.Evaluate(w, 30)
	require.True(t, f.Known)
	require.Equal(t, []string{"prompt_chars", "lang"}, f.Columns)
	require.Equal(t, 0.42, f.Value)
	require.Equal(t, "drift in prompt_chars (js_distance 0.42, p 1e-12), lang (js_distance 0.3, p 1e-12)", f.Message)

	least := domain.Threshold{Metric: "effect", Operator: "<", Value: 0.5}.Evaluate(w, 30)
	require.Equal(t, []string{"stream", "lang", "prompt_chars"}, least.Columns, "below: the smallest is the worst")
}

func TestWhatAWindowCannotTellIsNotKnown(t *testing.T) {
	t.Parallel()
	numbers := domain.ProfileMetrics{Column: "ttft_ms", Rows: 29, Numeric: &domain.NumericProfile{P95: 900}}
	table := domain.ProfileMetrics{Column: domain.ColumnTable, Rows: 29, Errors: 20}
	w := domain.Evaluated{
		Window:  window(0),
		Profile: []domain.ProfileMetrics{table, numbers, {Column: "lang", Rows: 29}},
		Drift:   []domain.DriftMetrics{{Column: "lang", Status: domain.StatusInsufficient}},
	}
	p95 := domain.Threshold{Metric: "p95", Operator: ">", Value: 100}
	require.False(t, p95.Evaluate(w, 30).Known, "too few rows")
	require.False(t, domain.Threshold{Metric: domain.MetricErrorRate, Operator: ">", Value: 0.1}.Evaluate(w, 30).Known)
	require.False(t, domain.Threshold{Metric: domain.MetricDrifted}.Evaluate(w, 30).Known, "no comparison was made")
	few := domain.Threshold{Metric: domain.MetricCount, Operator: "<", Value: 30}.Evaluate(w, 30)
	require.True(t, few.Known, "that there are few rows is exactly what few rows say")
	require.Equal(t, []string{domain.ColumnTable}, few.Columns)

	require.Equal(t, []string{"ttft_ms"}, p95.Evaluate(w, 29).Columns)
	require.Equal(t, "p95 > 100: ttft_ms 900", p95.Evaluate(w, 29).Message)
	rate := domain.Threshold{Metric: domain.MetricErrorRate, Operator: ">=", Value: 0.5}.Evaluate(w, 29)
	require.InDelta(t, 20.0/29, rate.Value, 1e-15)
	require.False(t, domain.Threshold{Metric: "p95", Column: "queue_ms", Operator: ">"}.Evaluate(w, 29).Known, "no such column there")
	w.Profile[1].SliceKey = domain.ColumnServedEntity
	require.False(t, p95.Evaluate(w, 29).Known, "slices are shown, not judged")
}

func TestJudgingTheSameWindowsAgainChangesNothing(t *testing.T) {
	t.Parallel()
	m, ids := valid(), id.Fixed()
	windows := []domain.Evaluated{{Window: window(1), Drift: []domain.DriftMetrics{moved("lang", 0.5)}}}
	first := domain.Judge(m, nil, windows, now, ids.New)
	require.Len(t, first, 1)
	require.Equal(t, domain.AlertOpen, first[0].Alert.State)
	require.Equal(t, domain.EventAlertOpened, first[0].Event.Kind)
	require.Empty(t, domain.Judge(m, []domain.Alert{first[0].Alert}, windows, now.Add(time.Hour), ids.New))
}

func TestAnAlertClosesOnlyOnGoodNewsNeverOnNone(t *testing.T) {
	t.Parallel()
	m, ids := valid(), id.Fixed()
	open := domain.Judge(m, nil, []domain.Evaluated{{Window: window(1), Drift: []domain.DriftMetrics{moved("lang", 0.5)}}}, now, ids.New)[0].Alert
	none := domain.Evaluated{Window: window(2), Drift: []domain.DriftMetrics{{Column: "lang", Status: domain.StatusInsufficient}}}
	require.Empty(t, domain.Judge(m, []domain.Alert{open}, []domain.Evaluated{none}, now, ids.New))
	good := domain.Evaluated{Window: window(3), Drift: []domain.DriftMetrics{{Column: "lang", Status: domain.StatusOK, Effect: ptr(0)}}}
	closed := domain.Judge(m, []domain.Alert{open}, []domain.Evaluated{none, good}, now.Add(time.Hour), ids.New)
	require.Len(t, closed, 1)
	require.Equal(t, domain.AlertClosed, closed[0].Alert.State)
	require.Equal(t, now.Add(time.Hour), closed[0].Alert.CloseTime)
	require.Equal(t, open.Window, closed[0].Alert.Window, "what was last seen while it was open stays")
}

func TestOneRefreshMayOpenCloseAndOpenAgain(t *testing.T) {
	t.Parallel()
	m, ids := valid(), id.Fixed()
	bad := func(i int) domain.Evaluated {
		return domain.Evaluated{Window: window(i), Drift: []domain.DriftMetrics{moved("lang", 0.5)}}
	}
	good := domain.Evaluated{Window: window(2), Drift: []domain.DriftMetrics{moved("lang", 0)}}
	changes := domain.Judge(m, nil, []domain.Evaluated{bad(1), good, bad(3), bad(4)}, now, ids.New)
	var kinds []string
	for _, c := range changes {
		kinds = append(kinds, c.Event.Kind)
	}
	require.Equal(t, []string{domain.EventAlertOpened, domain.EventAlertClosed, domain.EventAlertOpened}, kinds)
	require.Equal(t, changes[0].Alert.ID, changes[1].Alert.ID)
	require.NotEqual(t, changes[0].Alert.ID, changes[2].Alert.ID)
	require.Equal(t, window(4), changes[2].Alert.Window, "the last alert saw the last window")
}

func TestAThresholdThatIsGoneClosesItsAlert(t *testing.T) {
	t.Parallel()
	m, ids := valid(), id.Fixed()
	open := domain.Alert{ID: "a", Threshold: domain.Threshold{Metric: "p95", Operator: ">", Value: 1, Severity: "WARNING"}, State: domain.AlertOpen}
	changes := domain.Judge(m, []domain.Alert{open}, nil, now, ids.New)
	require.Len(t, changes, 1)
	require.Equal(t, domain.EventAlertClosed, changes[0].Event.Kind)
}

func TestThePayloadSpeaksInStableNames(t *testing.T) {
	t.Parallel()
	a := domain.Alert{
		ID: "a1", Monitor: "m", Endpoint: "chat", State: domain.AlertOpen, Columns: []string{"lang"}, Value: 0.5, Window: window(1),
		Threshold: domain.Threshold{Metric: "p95", Operator: ">", Value: 0.25, Severity: "CRITICAL"}, Message: "p95 > 0.25: lang 0.5", OpenTime: now,
	}
	raw, err := domain.Payload(domain.AlertEvent{ID: "e1", Kind: domain.EventAlertOpened, Alert: a, Time: now})
	require.NoError(t, err)
	require.JSONEq(t, `{"event_id":"e1","event":"alert.opened","time":"2026-03-04T12:00:00Z","alert":{"alert_id":"a1","monitor":"m",
		"endpoint":"chat","state":"OPEN","severity":"CRITICAL","metric":"p95","operator":">","limit":0.25,"columns":["lang"],"value":0.5,
		"window":{"start":"2026-03-04T12:01:00Z","end":"2026-03-04T12:02:00Z"},"message":"p95 > 0.25: lang 0.5","open_time":"2026-03-04T12:00:00Z"}}`, string(raw))
	require.True(t, json.Valid(raw))
}
