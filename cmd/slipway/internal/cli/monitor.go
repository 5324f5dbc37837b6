package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

func (s *session) monitors() *cobra.Command {
	return noun("monitor", "Monitors: profiles, drift and thresholds of an endpoint's requests",
		s.monitorCreate(), s.monitorBaseline(), s.monitorRefresh(), s.monitorList(), s.monitorMetrics(), s.monitorDelete())
}

func (s *session) monitorCreate() *cobra.Command {
	var (
		endpoint, granularity string
		columns, thresholds   []string
		webhooks              []string
		every                 time.Duration
	)
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Watch an endpoint", Args: cobra.ExactArgs(1),
		Example: "  slipway monitor create demo --endpoint demo --granularity 5m --threshold drifted --threshold 'p99:execution_duration_ms>2000'",
		RunE: func(cmd *cobra.Command, args []string) error {
			m := &monitorv1.Monitor{Name: args[0], Endpoint: endpoint, Granularity: granularity, Columns: columns, RefreshInterval: durationpb.New(every)}
			for _, text := range thresholds {
				t, err := threshold(text)
				if err != nil {
					return err
				}
				m.Thresholds = append(m.Thresholds, t)
			}
			for _, u := range webhooks {
				m.Webhooks = append(m.Webhooks, &monitorv1.Webhook{Url: u})
			}
			return call(s, cmd, monitorv1.NewMonitorServiceClient, monitorv1.MonitorServiceClient.CreateMonitor, &monitorv1.CreateMonitorRequest{Monitor: m},
				func(t *table, r *monitorv1.CreateMonitorResponse) { drawMonitors(t, r.GetMonitor()) })
		},
	}
	cmd.Flags().StringVar(&endpoint, "endpoint", "", "the endpoint")
	cmd.Flags().StringVar(&granularity, "granularity", "1h", "length of the windows: 1m, 5m, 30m, 1h, 1d, 1w")
	cmd.Flags().StringSliceVar(&columns, "column", nil, "columns to watch (default: the standard set)")
	cmd.Flags().StringArrayVar(&thresholds, "threshold", nil, "METRIC[:COLUMN][OPERATOR VALUE], e.g. drifted, drifted:lang, error_rate>0.05 (default: any column drifted)")
	cmd.Flags().StringArrayVar(&webhooks, "webhook", nil, "URL that is told of alerts")
	cmd.Flags().DurationVar(&every, "every", time.Minute, "how often to refresh; 0 only on demand")
	_ = cmd.MarkFlagRequired("endpoint") // the flag exists: it is defined above
	return cmd
}

// threshold reads METRIC[:COLUMN][OPERATOR VALUE].
func threshold(text string) (*monitorv1.Threshold, error) {
	t := &monitorv1.Threshold{}
	left := text
	if i := strings.IndexAny(text, "<>"); i >= 0 {
		j := i + 1
		if j < len(text) && text[j] == '=' {
			j++
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(text[j:]), 64)
		if err != nil {
			return nil, fmt.Errorf("threshold %q: %q is not a number", text, text[j:])
		}
		left, t.Operator, t.Value = text[:i], text[i:j], value
	}
	t.Metric, t.Column, _ = strings.Cut(strings.TrimSpace(left), ":")
	return t, nil
}

func drawMonitors(t *table, all ...*monitorv1.Monitor) {
	t.row("NAME", "ENDPOINT", "WINDOWS", "BASELINE ROWS", "LAST REFRESH", "ERROR")
	for _, m := range all {
		t.row(m.GetName(), m.GetEndpoint(), m.GetGranularity(), m.GetBaselineRows(), when(m.GetLastRefreshTime()), m.GetLastError())
	}
}

// span reads --from and --to: RFC 3339, or a duration before now.
type span struct{ from, to string }

func (w *span) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.from, "from", "", "first instant: RFC 3339, or a time ago as 2h")
	cmd.Flags().StringVar(&w.to, "to", "", "end: RFC 3339, or a time ago as 30m (default: now)")
}

func (w *span) window() (*monitorv1.TimeWindow, error) {
	if w.from == "" && w.to == "" {
		return nil, nil
	}
	from, err := instant(w.from, time.Time{})
	if err != nil {
		return nil, err
	}
	to, err := instant(w.to, time.Now())
	if err != nil {
		return nil, err
	}
	return &monitorv1.TimeWindow{Start: timestamppb.New(from), End: timestamppb.New(to)}, nil
}

func instant(text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return time.Now().Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fmt.Errorf("%q is neither a time (2026-01-02T15:04:05Z) nor a duration ago (2h)", text)
	}
	return t, nil
}

func (s *session) monitorBaseline() *cobra.Command {
	var w span
	cmd := &cobra.Command{
		Use: "baseline NAME", Short: "Take a span of time as what is normal", Args: cobra.ExactArgs(1),
		Example: "  slipway monitor baseline demo --from 24h --to 1h",
		RunE: func(cmd *cobra.Command, args []string) error {
			window, err := w.window()
			if err != nil {
				return err
			}
			return call(s, cmd, monitorv1.NewMonitorServiceClient, monitorv1.MonitorServiceClient.SetBaseline, &monitorv1.SetBaselineRequest{Name: args[0], Window: window},
				func(t *table, r *monitorv1.SetBaselineResponse) { drawMonitors(t, r.GetMonitor()) })
		},
	}
	w.flags(cmd)
	return cmd
}

func (s *session) monitorRefresh() *cobra.Command {
	var w span
	cmd := &cobra.Command{
		Use: "refresh NAME", Short: "Compute metrics now and evaluate the thresholds", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			window, err := w.window()
			if err != nil {
				return err
			}
			return call(s, cmd, monitorv1.NewMonitorServiceClient, monitorv1.MonitorServiceClient.RefreshMonitor, &monitorv1.RefreshMonitorRequest{Name: args[0], Window: window},
				func(t *table, r *monitorv1.RefreshMonitorResponse) {
					t.row("windows", r.GetWindows())
					t.row("rows", r.GetRows())
					t.row("alerts opened", len(r.GetOpenedAlerts()))
					t.row("alerts closed", len(r.GetClosedAlerts()))
					drawDrift(t, r.GetDrift())
				})
		},
	}
	w.flags(cmd)
	return cmd
}

func drawDrift(t *table, rows []*monitorv1.DriftMetrics) {
	t.row("WINDOW", "COLUMN", "N", "P ADJUSTED", "EFFECT", "MOVED", "STATUS")
	for _, m := range rows {
		effect := ""
		if m.Effect != nil {
			effect = fmt.Sprintf("%s %.3g", m.GetEffectName(), m.GetEffect())
		}
		p := ""
		if m.PAdjusted != nil {
			p = fmt.Sprintf("%.3g", m.GetPAdjusted())
		}
		t.row(when(m.GetWindow().GetStart()), m.GetColumn(), m.GetNCur(), p, effect, m.GetDrifted(), m.GetStatus())
	}
}

func (s *session) monitorMetrics() *cobra.Command {
	var column string
	var profile bool
	cmd := &cobra.Command{
		Use: "metrics NAME", Short: "List computed drift, or profiles with --profile, newest window first", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !profile {
				return call(s, cmd, monitorv1.NewMonitorServiceClient, monitorv1.MonitorServiceClient.ListDriftMetrics, &monitorv1.ListDriftMetricsRequest{Name: args[0], Column: column},
					func(t *table, r *monitorv1.ListDriftMetricsResponse) { drawDrift(t, r.GetDriftMetrics()) })
			}
			return call(s, cmd, monitorv1.NewMonitorServiceClient, monitorv1.MonitorServiceClient.ListProfileMetrics, &monitorv1.ListProfileMetricsRequest{Name: args[0], Column: column},
				func(t *table, r *monitorv1.ListProfileMetricsResponse) {
					t.row("WINDOW", "COLUMN", "ROWS", "NULLS", "MEAN", "MEDIAN", "P95", "P99", "MOST FREQUENT")
					for _, m := range r.GetProfileMetrics() {
						top := ""
						if f := m.GetFrequentItems(); len(f) > 0 {
							top = fmt.Sprintf("%s %d", f[0].GetItem(), f[0].GetCount())
						}
						t.row(when(m.GetWindow().GetStart()), m.GetColumn(), m.GetCount(), m.GetNumNulls(), fmt.Sprintf("%.4g", m.GetMean()), fmt.Sprintf("%.4g", m.GetMedian()), fmt.Sprintf("%.4g", m.GetP95()), fmt.Sprintf("%.4g", m.GetP99()), top)
					}
				})
		},
	}
	cmd.Flags().StringVar(&column, "column", "", "only this column")
	cmd.Flags().BoolVar(&profile, "profile", false, "profiles instead of drift")
	return cmd
}

func (s *session) monitorList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List monitors", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(s, cmd, monitorv1.NewMonitorServiceClient, monitorv1.MonitorServiceClient.ListMonitors, &monitorv1.ListMonitorsRequest{PageSize: 1000},
				func(t *table, r *monitorv1.ListMonitorsResponse) { drawMonitors(t, r.GetMonitors()...) })
		},
	}
}

func (s *session) monitorDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Stop watching", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, monitorv1.NewMonitorServiceClient, monitorv1.MonitorServiceClient.DeleteMonitor, &monitorv1.DeleteMonitorRequest{Name: args[0]},
				func(t *table, _ *monitorv1.DeleteMonitorResponse) { t.row("deleted monitor", args[0]) })
		},
	}
}

func (s *session) alerts() *cobra.Command {
	var monitor string
	var open bool
	list := &cobra.Command{
		Use: "list", Short: "List alerts, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req := &monitorv1.ListAlertsRequest{Monitor: monitor, PageSize: 1000}
			if open {
				req.State = monitorv1.AlertState_ALERT_STATE_OPEN
			}
			return call(s, cmd, monitorv1.NewAlertServiceClient, monitorv1.AlertServiceClient.ListAlerts, req,
				func(t *table, r *monitorv1.ListAlertsResponse) {
					t.row("STATE", "SEVERITY", "MONITOR", "ENDPOINT", "SINCE", "UNTIL", "TOLD", "MESSAGE")
					for _, a := range r.GetAlerts() {
						t.row(short(a.GetState().String(), "ALERT_STATE_"), a.GetThreshold().GetSeverity(), a.GetMonitor(), a.GetEndpoint(), when(a.GetOpenTime()), when(a.GetCloseTime()), a.GetDeliveries(), a.GetMessage())
					}
				})
		},
	}
	list.Flags().StringVar(&monitor, "monitor", "", "only this monitor's")
	list.Flags().BoolVar(&open, "open", false, "only open ones")
	return noun("alert", "Alerts", list)
}
