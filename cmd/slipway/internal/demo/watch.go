package demo

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

var (
	// mustMove are the columns that the shifted questions move by construction.
	mustMove = []string{"lang", "prompt_chars", "input_tokens"}
	// mustStay are the columns that they cannot move: every call succeeds, every third is a stream.
	mustStay = []string{"status_code", "stream"}
	watched  = []string{
		"lang", "prompt_chars", "input_tokens", "output_tokens", "response_chars", "finish_reason", "status_code", "stream",
		"served_entity", "execution_duration_ms", "ttft_ms",
	}
)

const settleTimeout = 30 * time.Second

func (d *demo) askBaseline(ctx context.Context) error {
	r, err := d.round(ctx, "everyday", d.questions.everyday, d.Asked)
	if err != nil {
		return err
	}
	// 90/10 by a sticky hash over users: four standard deviations of the binomial are allowed.
	share, sigma := float64(r.Split[first])/float64(r.Asked), math.Sqrt(.9*.1/float64(r.Asked))
	if math.Abs(share-.9) > 4*sigma {
		return untrue("%s got %.1f %% of the calls, more than 4σ (%.1f %%) away from 90 %%", first, 100*share, 400*sigma)
	}
	return nil
}

func (d *demo) giveFeedback(ctx context.Context) error {
	given := 0
	for i, a := range d.answers {
		if i%10 != 0 {
			continue
		}
		_, err := d.feedback.CreateFeedback(ctx, &monitorv1.CreateFeedbackRequest{
			RequestId: a.id, Endpoint: d.endpoint, Name: "thumbs", Value: structpb.NewBoolValue(i%20 == 0),
			Source: monitorv1.FeedbackSource_FEEDBACK_SOURCE_HUMAN, Rationale: "slipway demo",
		})
		if err != nil {
			return err
		}
		given++
	}
	got, err := d.feedback.ListFeedback(ctx, &monitorv1.ListFeedbackRequest{Endpoint: d.endpoint, PageSize: 1000})
	if err != nil {
		return err
	}
	if len(got.GetFeedback()) != given {
		return untrue("gave feedback on %d answers, %d are stored", given, len(got.GetFeedback()))
	}
	d.report.Feedback = given
	d.print.line("thumbs on %d of %d answers", given, len(d.answers))
	return nil
}

// watch makes the monitor and takes the baseline round as what is normal.
func (d *demo) watch(ctx context.Context) error {
	if _, err := d.settle(ctx); err != nil {
		return err
	}
	base := d.report.Rounds[0]
	_, err := d.monitors.CreateMonitor(ctx, &monitorv1.CreateMonitorRequest{Monitor: &monitorv1.Monitor{
		Name: d.monitor, Endpoint: d.endpoint, Granularity: "1m", Columns: watched, MinRows: 30,
		RefreshInterval: durationpb.New(0),
		Thresholds: []*monitorv1.Threshold{
			{Metric: "drifted", Column: "lang", Severity: "CRITICAL"}, {Metric: "drifted", Column: "prompt_chars", Severity: "WARNING"},
		},
		Webhooks: []*monitorv1.Webhook{{Url: d.hooks.url, Secret: d.hooks.secret}},
	}})
	if err != nil {
		return err
	}
	got, err := d.monitors.SetBaseline(ctx, &monitorv1.SetBaselineRequest{Name: d.monitor, Window: window(base)})
	if err != nil {
		return err
	}
	if n := got.GetMonitor().GetBaselineRows(); n != int64(base.Asked) {
		return untrue("the baseline holds %d rows of %d calls", n, base.Asked)
	}
	d.print.line("monitor %s: baseline of %d rows, %d columns, alert webhook %s", d.monitor, base.Asked, len(watched), d.hooks.url)
	return nil
}

func window(r Round) *monitorv1.TimeWindow {
	return &monitorv1.TimeWindow{Start: timestamppb.New(r.start), End: timestamppb.New(r.end)}
}

func (d *demo) askUnchanged(ctx context.Context) error {
	half := len(d.questions.everyday) / 2
	rotated := append(slices.Clone(d.questions.everyday[half:]), d.questions.everyday[:half]...)
	drift, opened, err := d.compare(ctx, "unchanged", rotated)
	if err != nil {
		return err
	}
	moved := d.report.Drifted["unchanged"]
	for _, c := range slices.Concat(mustMove, mustStay) {
		if slices.Contains(moved, c) {
			return untrue("the same questions again moved %s", c)
		}
	}
	if len(opened) > 0 {
		return untrue("the same questions again opened alerts %v", opened)
	}
	d.print.line("%d columns compared, moved: %s", len(drift), orNone(moved))
	return nil
}

func (d *demo) askShifted(ctx context.Context) error {
	drift, opened, err := d.compare(ctx, "shifted", d.questions.shifted)
	if err != nil {
		return err
	}
	moved := d.report.Drifted["shifted"]
	for _, c := range mustMove {
		if !slices.Contains(moved, c) {
			return untrue("%s moved and was not found (found: %s)", c, orNone(moved))
		}
	}
	for _, c := range mustStay {
		if slices.Contains(moved, c) {
			return untrue("%s did not move and was found", c)
		}
	}
	if len(opened) == 0 {
		return untrue("no alert opened")
	}
	d.print.line("%d columns compared, moved: %s", len(drift), orNone(moved))
	return nil
}

// compare asks one round, refreshes the monitor over exactly that round and prints what it found.
func (d *demo) compare(ctx context.Context, name string, from []question) (drift []*monitorv1.DriftMetrics, opened []string, err error) {
	r, err := d.round(ctx, name, from, d.Asked)
	if err != nil {
		return nil, nil, err
	}
	if _, err := d.settle(ctx); err != nil {
		return nil, nil, err
	}
	got, err := d.monitors.RefreshMonitor(ctx, &monitorv1.RefreshMonitorRequest{Name: d.monitor, Window: window(r)})
	if err != nil {
		return nil, nil, err
	}
	if got.GetRows() != int64(r.Asked) {
		return nil, nil, untrue("the window holds %d rows of %d calls", got.GetRows(), r.Asked)
	}
	d.print.profile(got.GetProfile())
	d.print.drift(got.GetDrift())
	d.report.Drifted[name] = []string{}
	for _, m := range got.GetDrift() {
		if m.GetDrifted() {
			d.report.Drifted[name] = append(d.report.Drifted[name], m.GetColumn())
		}
	}
	return got.GetDrift(), got.GetOpenedAlerts(), nil
}

func (d *demo) showAlert(ctx context.Context) error {
	got, err := d.alerts.ListAlerts(ctx, &monitorv1.ListAlertsRequest{Monitor: d.monitor, State: monitorv1.AlertState_ALERT_STATE_OPEN})
	if err != nil {
		return err
	}
	if len(got.GetAlerts()) == 0 {
		return untrue("no alert is open")
	}
	for _, a := range got.GetAlerts() {
		d.print.line("%s %s: %s", a.GetThreshold().GetSeverity(), a.GetAlertId(), a.GetMessage())
		if a.GetThreshold().GetColumn() == "lang" {
			d.report.Alert = a.GetMessage()
		}
	}
	if d.report.Alert == "" {
		return untrue("no alert names lang")
	}
	d.report.Webhooks, err = d.hooks.await(ctx, len(got.GetAlerts()), settleTimeout)
	if err != nil {
		return err
	}
	d.print.line("webhook told %d times, signatures right", d.report.Webhooks)
	return nil
}

func orNone(columns []string) string {
	if len(columns) == 0 {
		return "none"
	}
	return strings.Join(columns, ", ")
}
