package api

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-ai/slipway/pkg/page"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

// Pages hold this many rows when the caller does not say, and at most so many.
const (
	defaultPage = 100
	largestPage = 1000
)

// MonitorService is slipway.monitor.v1.MonitorService over the verbs on monitors.
type MonitorService struct {
	monitorv1.UnimplementedMonitorServiceServer
	Flow *flow.Monitors
}

// CreateMonitor implements the RPC.
func (s *MonitorService) CreateMonitor(ctx context.Context, req *monitorv1.CreateMonitorRequest) (*monitorv1.CreateMonitorResponse, error) {
	m, secrets, err := monitorFrom(req.GetMonitor())
	if err != nil {
		return nil, err
	}
	m, err = s.Flow.CreateMonitor(ctx, m, secrets)
	if err != nil {
		return nil, err
	}
	return &monitorv1.CreateMonitorResponse{Monitor: monitorTo(m)}, nil
}

// GetMonitor implements the RPC.
func (s *MonitorService) GetMonitor(ctx context.Context, req *monitorv1.GetMonitorRequest) (*monitorv1.GetMonitorResponse, error) {
	m, err := s.Flow.GetMonitor(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return &monitorv1.GetMonitorResponse{Monitor: monitorTo(m)}, nil
}

// ListMonitors implements the RPC.
func (s *MonitorService) ListMonitors(ctx context.Context, req *monitorv1.ListMonitorsRequest) (*monitorv1.ListMonitorsResponse, error) {
	limit, err := page.Size(req.GetPageSize(), defaultPage, largestPage)
	if err != nil {
		return nil, err
	}
	var after string
	if err := page.Decode(req.GetPageToken(), &after); err != nil {
		return nil, err
	}
	found, more, err := s.Flow.ListMonitors(ctx, req.GetEndpoint(), after, limit)
	if err != nil {
		return nil, err
	}
	out := &monitorv1.ListMonitorsResponse{}
	for _, m := range found {
		out.Monitors = append(out.Monitors, monitorTo(m))
	}
	if more {
		out.NextPageToken = page.Encode(found[len(found)-1].Name)
	}
	return out, nil
}

// UpdateMonitor implements the RPC.
func (s *MonitorService) UpdateMonitor(ctx context.Context, req *monitorv1.UpdateMonitorRequest) (*monitorv1.UpdateMonitorResponse, error) {
	m, secrets, err := monitorFrom(req.GetMonitor())
	if err != nil {
		return nil, err
	}
	m, err = s.Flow.UpdateMonitor(ctx, m, secrets)
	if err != nil {
		return nil, err
	}
	return &monitorv1.UpdateMonitorResponse{Monitor: monitorTo(m)}, nil
}

// DeleteMonitor implements the RPC.
func (s *MonitorService) DeleteMonitor(ctx context.Context, req *monitorv1.DeleteMonitorRequest) (*monitorv1.DeleteMonitorResponse, error) {
	if err := s.Flow.DeleteMonitor(ctx, req.GetName()); err != nil {
		return nil, err
	}
	return &monitorv1.DeleteMonitorResponse{}, nil
}

// SetBaseline implements the RPC.
func (s *MonitorService) SetBaseline(ctx context.Context, req *monitorv1.SetBaselineRequest) (*monitorv1.SetBaselineResponse, error) {
	w, err := windowFrom(req.GetWindow())
	if err != nil {
		return nil, err
	}
	m, err := s.Flow.SetBaseline(ctx, req.GetName(), w)
	if err != nil {
		return nil, err
	}
	return &monitorv1.SetBaselineResponse{Monitor: monitorTo(m)}, nil
}

// RefreshMonitor implements the RPC.
func (s *MonitorService) RefreshMonitor(ctx context.Context, req *monitorv1.RefreshMonitorRequest) (*monitorv1.RefreshMonitorResponse, error) {
	var w domain.Window
	if req.GetWindow() != nil {
		var err error
		if w, err = windowFrom(req.GetWindow()); err != nil {
			return nil, err
		}
	}
	r, err := s.Flow.RefreshMonitor(ctx, req.GetName(), w)
	if err != nil {
		return nil, err
	}
	out := &monitorv1.RefreshMonitorResponse{
		Windows: int32(r.Windows), Rows: r.Rows, OpenedAlerts: r.Opened, ClosedAlerts: r.Closed, // at most maxWindows
	}
	for _, p := range r.Profile {
		out.Profile = append(out.Profile, profileTo(p))
	}
	for _, d := range r.Drift {
		out.Drift = append(out.Drift, driftTo(d))
	}
	if !r.DataTime.IsZero() {
		out.DataTime = timestamppb.New(r.DataTime)
	}
	return out, nil
}

// ListProfileMetrics implements the RPC.
func (s *MonitorService) ListProfileMetrics(ctx context.Context, req *monitorv1.ListProfileMetricsRequest) (*monitorv1.ListProfileMetricsResponse, error) {
	q, err := metricsQuery(req)
	if err != nil {
		return nil, err
	}
	rows, more, err := s.Flow.ListProfileMetrics(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &monitorv1.ListProfileMetricsResponse{}
	for _, p := range rows {
		out.ProfileMetrics = append(out.ProfileMetrics, profileTo(p))
	}
	if more {
		out.NextPageToken = page.Encode(domain.KeyOfProfile(rows[len(rows)-1]))
	}
	return out, nil
}

// ListDriftMetrics implements the RPC.
func (s *MonitorService) ListDriftMetrics(ctx context.Context, req *monitorv1.ListDriftMetricsRequest) (*monitorv1.ListDriftMetricsResponse, error) {
	q, err := metricsQuery(req)
	if err != nil {
		return nil, err
	}
	rows, more, err := s.Flow.ListDriftMetrics(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &monitorv1.ListDriftMetricsResponse{}
	for _, d := range rows {
		out.DriftMetrics = append(out.DriftMetrics, driftTo(d))
	}
	if more {
		out.NextPageToken = page.Encode(domain.KeyOfDrift(rows[len(rows)-1]))
	}
	return out, nil
}

// metricsRequest is what both lists of metrics ask with.
type metricsRequest interface {
	GetName() string
	GetSpan() *monitorv1.TimeWindow
	GetColumn() string
	GetPageSize() int32
	GetPageToken() string
}

func metricsQuery(req metricsRequest) (domain.MetricsQuery, error) {
	q := domain.MetricsQuery{Monitor: req.GetName(), Column: req.GetColumn()}
	var err error
	if q.Limit, err = page.Size(req.GetPageSize(), defaultPage, largestPage); err != nil {
		return q, err
	}
	if req.GetSpan() != nil {
		if q.Span, err = windowFrom(req.GetSpan()); err != nil {
			return q, err
		}
	}
	return q, page.Decode(req.GetPageToken(), &q.After)
}
