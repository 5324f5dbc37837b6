package work

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"
)

// DueMonitors hands out monitors whose refresh is due, and takes back what failed;
// the contract is the store's.
type DueMonitors interface {
	ClaimDue(ctx context.Context, now, until time.Time, limit int) ([]string, error)
	FailRefresh(ctx context.Context, monitor string, now time.Time, why string) error
}

// Refresher computes one monitor.
type Refresher interface {
	RefreshMonitor(ctx context.Context, name string, window domain.Window) (flow.RefreshResult, error)
}

const (
	schedulePoll  = time.Second
	scheduleLease = 15 * time.Minute // also the most that one refresh may take
	scheduleBatch = 4
)

// Schedule refreshes monitors when they are due. The context it runs in must act as
// this service, which may look at every endpoint.
type Schedule struct {
	due       DueMonitors
	refresher Refresher
	clock     clock.Clock
	log       *slog.Logger
	seconds   *prometheus.HistogramVec
}

// NewSchedule makes a schedule; Run works. A nil registry counts nothing.
func NewSchedule(due DueMonitors, r Refresher, c clock.Clock, log *slog.Logger, metrics prometheus.Registerer) (*Schedule, error) {
	s := &Schedule{due: due, refresher: r, clock: c, log: log, seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "slipway_monitor_refresh_seconds", Help: "Time that scheduled refreshes took, by outcome.",
		Buckets: []float64{.01, .05, .1, .5, 1, 5, 10, 60, 300},
	}, []string{"outcome"})}
	if metrics != nil {
		if err := metrics.Register(s.seconds); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Run refreshes until ctx ends.
func (s *Schedule) Run(ctx context.Context) error {
	tick := s.clock.NewTicker(schedulePoll)
	defer tick.Stop()
	for {
		if err := s.Pass(ctx); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "due monitors not read", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C():
		}
	}
}

// Pass refreshes everything that is due now.
func (s *Schedule) Pass(ctx context.Context) error {
	for {
		now := s.clock.Now()
		names, err := s.due.ClaimDue(ctx, now, now.Add(scheduleLease), scheduleBatch)
		if err != nil || len(names) == 0 {
			return err
		}
		for _, name := range names {
			s.refresh(ctx, name)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// refresh computes one monitor. Its failure is noted in the monitor, which ends the
// lease, and it is tried again at its next turn.
func (s *Schedule) refresh(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, scheduleLease)
	defer cancel()
	started := s.clock.Now()
	r, err := s.refresher.RefreshMonitor(ctx, name, domain.Window{})
	took := s.clock.Now().Sub(started)
	if err != nil {
		s.seconds.WithLabelValues("failed").Observe(took.Seconds())
		s.log.LogAttrs(ctx, slog.LevelWarn, "monitor not refreshed", slog.String("monitor", name), slog.String("kind", string(fault.KindOf(err))), slog.Any("err", err))
		if !fault.Is(err, fault.Canceled) {
			s.giveBack(ctx, name, err)
		}
		return
	}
	s.seconds.WithLabelValues("ok").Observe(took.Seconds())
	if r.Windows > 0 {
		s.log.LogAttrs(ctx, slog.LevelInfo, "monitor refreshed", slog.String("monitor", name), slog.Int("windows", r.Windows),
			slog.Int64("rows", r.Rows), slog.Duration("took", took))
	}
}

// giveBack ends the lease of a monitor whose refresh failed. When the program is
// being stopped nothing failed, and the lease ends by itself.
func (s *Schedule) giveBack(ctx context.Context, name string, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	if err := s.due.FailRefresh(ctx, name, s.clock.Now(), fault.Text(cause)); err != nil {
		s.log.ErrorContext(ctx, "failure of a refresh not stored", "monitor", name, "err", err)
	}
}
