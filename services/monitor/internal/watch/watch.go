// Package watch puts the watching half of the service together: monitors, metrics,
// alerts, webhooks and feedback. The door gives it what it needs from outside and
// registers, starts and stops it as one thing.
package watch

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/lifecycle"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/api"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"
	"github.com/slipway-ai/slipway/services/monitor/internal/store"
	"github.com/slipway-ai/slipway/services/monitor/internal/work"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

// Settings is what the watching half takes from the door.
type Settings struct {
	DB       *sqlkit.DB    // migrated with this service's migrations; the door closes it
	Rows     flow.Rows     // the inference table
	Requests flow.Requests // whose a request is; nil: only EXECUTE lets judge
	Access   flow.Access   // decisions about endpoints
	Clock    clock.Clock
	IDs      id.Source
	Log      *slog.Logger
	Metrics  prometheus.Registerer // nil: nothing is counted
	// WebhookTimeout bounds one webhook call; 0 is work.CallTimeout.
	WebhookTimeout time.Duration
}

// Watch is the watching half.
type Watch struct {
	monitors *api.MonitorService
	alerts   *api.AlertService
	feedback *api.FeedbackService
	schedule *work.Schedule
	sender   *work.Sender
	loops    *lifecycle.Group
}

// New builds everything and starts nothing.
func New(s Settings) (*Watch, error) {
	memory := store.NewMonitorStore(s.DB)
	sender, err := work.NewSender(memory, work.NewClient(s.WebhookTimeout), s.Clock, s.Log, s.Metrics)
	if err != nil {
		return nil, err
	}
	monitors := &flow.Monitors{
		Memory: memory, Rows: s.Rows, Access: s.Access, Clock: s.Clock, IDs: s.IDs, Log: s.Log, Told: sender.Nudge,
	}
	schedule, err := work.NewSchedule(memory, monitors, s.Clock, s.Log, s.Metrics)
	if err != nil {
		return nil, err
	}
	return &Watch{
		monitors: &api.MonitorService{Flow: monitors},
		alerts:   &api.AlertService{Flow: &flow.Alerts{Memory: memory, Access: s.Access}},
		feedback: &api.FeedbackService{Flow: &flow.Feedbacks{
			Memory: memory, Requests: s.Requests, Access: s.Access, Clock: s.Clock, IDs: s.IDs,
		}},
		schedule: schedule, sender: sender,
		loops: lifecycle.NewGroup(auth.With(context.Background(), auth.Service("monitor"))),
	}, nil
}

// Register adds the monitor, alert and feedback services to a server.
func (w *Watch) Register(r grpc.ServiceRegistrar) {
	monitorv1.RegisterMonitorServiceServer(r, w.monitors)
	monitorv1.RegisterAlertServiceServer(r, w.alerts)
	monitorv1.RegisterFeedbackServiceServer(r, w.feedback)
}

// Start begins to refresh what is due and to tell webhooks.
func (w *Watch) Start() {
	w.loops.Go("schedule", w.schedule.Run)
	w.loops.Go("webhooks", w.sender.Run)
}

// Failed delivers the failure of a loop.
func (w *Watch) Failed() <-chan error { return w.loops.Failed() }

// Stop ends the loops and waits for them. What they had begun is leased: it is done
// again by whoever runs next.
func (w *Watch) Stop(ctx context.Context) error { return w.loops.Stop(ctx) }
