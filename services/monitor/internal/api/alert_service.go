package api

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/page"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

// AlertService is slipway.monitor.v1.AlertService.
type AlertService struct {
	monitorv1.UnimplementedAlertServiceServer
	Flow *flow.Alerts
}

var alertStates = map[monitorv1.AlertState]domain.AlertState{
	monitorv1.AlertState_ALERT_STATE_OPEN: domain.AlertOpen, monitorv1.AlertState_ALERT_STATE_CLOSED: domain.AlertClosed,
}

// ListAlerts implements the RPC.
func (s *AlertService) ListAlerts(ctx context.Context, req *monitorv1.ListAlertsRequest) (*monitorv1.ListAlertsResponse, error) {
	q := domain.AlertQuery{Monitor: req.GetMonitor(), Endpoint: req.GetEndpoint(), State: alertStates[req.GetState()]}
	var err error
	if q.Limit, err = page.Size(req.GetPageSize(), defaultPage, largestPage); err != nil {
		return nil, err
	}
	if err := page.Decode(req.GetPageToken(), &q.After); err != nil {
		return nil, err
	}
	alerts, more, err := s.Flow.ListAlerts(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &monitorv1.ListAlertsResponse{}
	for _, a := range alerts {
		out.Alerts = append(out.Alerts, alertTo(a))
	}
	if more {
		last := alerts[len(alerts)-1]
		out.NextPageToken = page.Encode(domain.TimeKey{Micros: last.OpenTime.UnixMicro(), ID: last.ID})
	}
	return out, nil
}

func alertTo(a domain.Alert) *monitorv1.Alert {
	state := monitorv1.AlertState_ALERT_STATE_OPEN
	if a.State == domain.AlertClosed {
		state = monitorv1.AlertState_ALERT_STATE_CLOSED
	}
	return &monitorv1.Alert{
		AlertId: a.ID, Monitor: a.Monitor, Endpoint: a.Endpoint, Threshold: thresholdTo(a.Threshold), State: state, Columns: a.Columns,
		Value: a.Value, Window: windowTo(a.Window), Message: a.Message, OpenTime: timeTo(a.OpenTime), CloseTime: timeTo(a.CloseTime),
		Deliveries: int32(a.Deliveries), // two events on ten webhooks at most
	}
}
