package domain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

func valid() domain.Monitor {
	m := domain.Monitor{Name: "m", Endpoint: "chat"}
	m.Complete()
	return m
}

func TestAMonitorWithOnlyANameAndAnEndpointIsComplete(t *testing.T) {
	t.Parallel()
	m := valid()
	require.NoError(t, m.Validate())
	require.Equal(t, "1h", m.Granularity.String())
	require.Contains(t, m.Columns, "lang")
	require.Equal(t, []domain.Threshold{{Metric: domain.MetricDrifted, Severity: domain.SeverityCritical}}, m.Thresholds)
	require.Equal(t, 30, m.MinRows)
	require.Equal(t, 0.05, m.FDR)
}

func TestEachMistakeInAMonitorHasItsReason(t *testing.T) {
	t.Parallel()
	for reason, spoil := range map[string]func(*domain.Monitor){
		"MONITOR_INVALID":          func(m *domain.Monitor) { m.Endpoint = "" },
		"GRANULARITY_INVALID":      func(m *domain.Monitor) { m.Granularity = domain.Granularity(1500 * time.Millisecond) },
		"COLUMN_UNKNOWN":           func(m *domain.Monitor) { m.Columns = []string{"mood"} },
		"COLUMN_REPEATED":          func(m *domain.Monitor) { m.Columns = []string{"lang", "lang"} },
		"MIN_ROWS_INVALID":         func(m *domain.Monitor) { m.MinRows = -1 },
		"FDR_INVALID":              func(m *domain.Monitor) { m.FDR = 1 },
		"REFRESH_INTERVAL_INVALID": func(m *domain.Monitor) { m.RefreshInterval = time.Millisecond },
		"THRESHOLD_REPEATED":       func(m *domain.Monitor) { m.Thresholds = append(m.Thresholds, m.Thresholds[0]) },
		"METRIC_UNKNOWN":           func(m *domain.Monitor) { m.Thresholds[0].Metric = "mood" },
		"OPERATOR_INVALID":         func(m *domain.Monitor) { m.Thresholds[0].Metric = "p95" },
		"SEVERITY_INVALID":         func(m *domain.Monitor) { m.Thresholds[0].Severity = "MILD" },
		"COLUMN_NOT_WATCHED":       func(m *domain.Monitor) { m.Thresholds[0].Column = "requester" },
		"COLUMN_INVALID": func(m *domain.Monitor) {
			m.Thresholds[0] = domain.Threshold{Metric: "error_rate", Column: "lang", Operator: ">", Severity: "WARNING"}
		},
		"WEBHOOK_URL_INVALID": func(m *domain.Monitor) { m.Webhooks = []domain.Webhook{{URL: "ftp://x/s3cret-token"}} },
		"WEBHOOK_REPEATED":    func(m *domain.Monitor) { m.Webhooks = []domain.Webhook{{URL: "http://x"}, {URL: "http://x"}} },
	} {
		m := valid()
		spoil(&m)
		err := m.Validate()
		require.Equal(t, fault.Invalid, fault.KindOf(err), reason)
		require.Equal(t, reason, fault.Reason(err))
		require.NotContains(t, err.Error(), "s3cret-token", "an address may carry a token")
	}
	m := valid()
	m.Webhooks = []domain.Webhook{{URL: "https://ada:s3cret@x/"}}
	require.Error(t, m.Validate())
	require.False(t, strings.Contains(m.Validate().Error(), "s3cret"))
}

func TestGranularitiesReadBackAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"1s": time.Second, "90s": 90 * time.Second, "1m": time.Minute, "5m": 5 * time.Minute, "30m": 30 * time.Minute,
		"1h": time.Hour, "1d": 24 * time.Hour, "1w": 7 * 24 * time.Hour, "4w": 28 * 24 * time.Hour, "": time.Hour,
	} {
		g, err := domain.ParseGranularity(text)
		require.NoError(t, err, text)
		require.Equal(t, want, time.Duration(g))
		if text != "" {
			require.Equal(t, text, g.String())
		}
	}
	for _, text := range []string{"0s", "h", "-1m", "1.5h", "1y", "53w", "99999999999999h", "1 h", "60"} {
		_, err := domain.ParseGranularity(text)
		require.Equal(t, fault.Invalid, fault.KindOf(err), text)
	}
}

func TestWindowsTumbleFromMondayMidnight(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 15, 47, 12, 345678000, time.UTC) // a Wednesday
	for text, want := range map[string]time.Time{
		"5m": time.Date(2026, 3, 4, 15, 45, 0, 0, time.UTC),
		"1h": time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC),
		"1d": time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC),
		"1w": time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC),
	} {
		g, err := domain.ParseGranularity(text)
		require.NoError(t, err)
		w := g.Window(at.UnixMicro())
		require.Equal(t, want, w.Start, text)
		require.Equal(t, want.Add(time.Duration(g)), w.End)
		require.Equal(t, w, g.Window(w.Start.UnixMicro()), "the first instant is inside")
		require.Equal(t, w, g.Window(w.End.UnixMicro()-1), "so is the last")
		require.NotEqual(t, w, g.Window(w.End.UnixMicro()))
		require.Equal(t, g.Before(w), g.Window(w.Start.UnixMicro()-1))
	}
	early := domain.Granularity(time.Hour).Window(time.Date(1960, 1, 1, 0, 30, 0, 0, time.UTC).UnixMicro())
	require.Equal(t, time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC), early.Start, "before 1970 too")
	_, err := domain.NewWindow(at, at)
	require.Equal(t, fault.Invalid, fault.KindOf(err))
}
