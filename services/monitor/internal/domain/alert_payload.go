package domain

import (
	"encoding/json"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// payload is the body of a webhook. Its names are a promise to whoever receives it.
type payload struct {
	EventID string       `json:"event_id"` // the same at every attempt: receivers drop doubles by it
	Event   string       `json:"event"`
	Time    time.Time    `json:"time"`
	Alert   payloadAlert `json:"alert"`
}

type payloadAlert struct {
	AlertID   string        `json:"alert_id"`
	Monitor   string        `json:"monitor"`
	Endpoint  string        `json:"endpoint"`
	State     AlertState    `json:"state"`
	Severity  string        `json:"severity"`
	Metric    string        `json:"metric"`
	Operator  string        `json:"operator,omitempty"`
	Limit     *float64      `json:"limit,omitempty"`
	Columns   []string      `json:"columns"`
	Value     float64       `json:"value"`
	Window    payloadWindow `json:"window"`
	Message   string        `json:"message"`
	OpenTime  time.Time     `json:"open_time"`
	CloseTime *time.Time    `json:"close_time,omitempty"`
}

type payloadWindow struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Payload is the JSON that tells an event to a webhook. Times are RFC 3339 in UTC.
func Payload(e AlertEvent) ([]byte, error) {
	a := e.Alert
	p := payload{
		EventID: e.ID, Event: e.Kind, Time: e.Time.UTC(),
		Alert: payloadAlert{
			AlertID: a.ID, Monitor: a.Monitor, Endpoint: a.Endpoint, State: a.State, Severity: a.Threshold.Severity,
			Metric: a.Threshold.Metric, Operator: a.Threshold.Operator, Columns: a.Columns, Value: a.Value,
			Window: payloadWindow{a.Window.Start.UTC(), a.Window.End.UTC()}, Message: a.Message, OpenTime: a.OpenTime.UTC(),
		},
	}
	if a.Threshold.Operator != "" {
		limit := a.Threshold.Value
		p.Alert.Limit = &limit
	}
	if !a.CloseTime.IsZero() {
		closed := a.CloseTime.UTC()
		p.Alert.CloseTime = &closed
	}
	b, err := json.Marshal(p)
	if err != nil {
		return nil, fault.Wrap("monitor.Payload", fault.Internal, err, "internal error")
	}
	return b, nil
}
