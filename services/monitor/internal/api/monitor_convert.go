// Package api translates between the wire and the domain, one file per RPC family.
// It decides nothing: what a value means, and whether it may be, is the flow's and
// the domain's business.
package api

import (
	"math"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

// monitorFrom reads a wanted monitor. Secrets come apart, by webhook URL: the
// domain's monitor is shown to people and must not hold them.
func monitorFrom(p *monitorv1.Monitor) (domain.Monitor, map[string]config.Secret, error) {
	g, err := domain.ParseGranularity(p.GetGranularity())
	if err != nil {
		return domain.Monitor{}, nil, err
	}
	m := domain.Monitor{
		Name: p.GetName(), Endpoint: p.GetEndpoint(), Granularity: g, Columns: p.GetColumns(),
		MinRows: int(p.GetMinRows()), FDR: p.GetFdr(), Version: p.GetVersion(), RefreshInterval: domain.DefaultRefreshInterval,
	}
	if p.GetRefreshInterval() != nil {
		if err := p.GetRefreshInterval().CheckValid(); err != nil {
			return domain.Monitor{}, nil, fault.Wrap("api.monitor", fault.Invalid, err, "refresh_interval is not a valid duration").WithReason("REFRESH_INTERVAL_INVALID")
		}
		m.RefreshInterval = p.GetRefreshInterval().AsDuration()
	}
	if p.GetBaseline() != nil {
		if m.Baseline, err = windowFrom(p.GetBaseline()); err != nil {
			return domain.Monitor{}, nil, err
		}
	}
	for _, t := range p.GetThresholds() {
		m.Thresholds = append(m.Thresholds, domain.Threshold{
			Metric: t.GetMetric(), Column: t.GetColumn(), Operator: t.GetOperator(), Value: t.GetValue(), Severity: t.GetSeverity(),
		})
	}
	secrets := map[string]config.Secret{}
	for _, w := range p.GetWebhooks() {
		m.Webhooks = append(m.Webhooks, domain.Webhook{URL: w.GetUrl()})
		if w.GetSecret() != "" {
			secrets[w.GetUrl()] = config.Secret(w.GetSecret())
		}
	}
	return m, secrets, nil
}

func monitorTo(m domain.Monitor) *monitorv1.Monitor {
	p := &monitorv1.Monitor{
		Name: m.Name, Endpoint: m.Endpoint, Granularity: m.Granularity.String(), Columns: m.Columns,
		BaselineRows: m.BaselineRows, MinRows: int32(min(m.MinRows, math.MaxInt32)), Fdr: m.FDR,
		RefreshInterval: durationpb.New(m.RefreshInterval), Version: m.Version, Owner: m.Owner,
		CreateTime: timeTo(m.CreateTime), UpdateTime: timeTo(m.UpdateTime), LastRefreshTime: timeTo(m.LastRefreshTime), LastError: m.LastError,
	}
	if m.HasBaseline() {
		p.Baseline = windowTo(m.Baseline)
	}
	for _, t := range m.Thresholds {
		p.Thresholds = append(p.Thresholds, thresholdTo(t))
	}
	for _, w := range m.Webhooks {
		p.Webhooks = append(p.Webhooks, &monitorv1.Webhook{Url: w.URL, HasSecret: w.HasSecret})
	}
	return p
}

func thresholdTo(t domain.Threshold) *monitorv1.Threshold {
	return &monitorv1.Threshold{Metric: t.Metric, Column: t.Column, Operator: t.Operator, Value: t.Value, Severity: t.Severity}
}

// timeTo is nil for the time that is not there.
func timeTo(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func windowTo(w domain.Window) *monitorv1.TimeWindow {
	return &monitorv1.TimeWindow{Start: timeTo(w.Start), End: timeTo(w.End)}
}

func windowFrom(p *monitorv1.TimeWindow) (domain.Window, error) {
	for _, t := range []*timestamppb.Timestamp{p.GetStart(), p.GetEnd()} {
		if t == nil || t.CheckValid() != nil {
			return domain.Window{}, fault.New("api.window", fault.Invalid, "a window needs a valid start and a valid end").WithReason("WINDOW_INVALID")
		}
	}
	return domain.NewWindow(p.GetStart().AsTime(), p.GetEnd().AsTime())
}

func profileTo(m domain.ProfileMetrics) *monitorv1.ProfileMetrics {
	p := &monitorv1.ProfileMetrics{
		Window: windowTo(m.Window), Column: m.Column, DataType: string(m.Kind), LogType: m.LogType, SliceKey: m.SliceKey, SliceValue: m.SliceValue,
		Count: m.Rows, NumNulls: m.Nulls, DistinctCount: m.Distinct, MonitorVersion: m.MonitorVersion, TableVersion: m.TableVersion,
	}
	if n := m.Numeric; n != nil {
		p.Mean, p.Stddev, p.Min, p.Max, p.Median, p.P95, p.P99, p.NumZeros = n.Mean, n.StdDev, n.Min, n.Max, n.Median, n.P95, n.P99, n.Zeros
	}
	for _, f := range m.Frequent {
		p.FrequentItems = append(p.FrequentItems, &monitorv1.FrequentItem{Item: f.Item, Count: f.Count})
	}
	return p
}

func driftTo(d domain.DriftMetrics) *monitorv1.DriftMetrics {
	return &monitorv1.DriftMetrics{
		Window: windowTo(d.Window), WindowCmp: windowTo(d.WindowCmp), DriftType: d.Type, Column: d.Column, DataType: string(d.Kind),
		NRef: d.NRef, NCur: d.NCur, KsStatistic: d.KSStatistic, KsPvalue: d.KSPValue, ChiSquaredStatistic: d.ChiSquared,
		ChiSquaredPvalue: d.ChiSquaredPValue, JsDistance: d.JSDistance, Psi: d.PSI, Wasserstein: d.Wasserstein,
		WassersteinNormed: d.WassersteinNorm, TvDistance: d.TVDistance, LInfinity: d.LInfinity, PAdjusted: d.PAdjusted,
		EffectName: d.EffectName, Effect: d.Effect, Drifted: d.Drifted, Status: d.Status, Method: d.Method, MeanDelta: d.MeanDelta,
		MonitorVersion: d.MonitorVersion,
	}
}
