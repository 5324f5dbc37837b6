package work

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// Outbox is what the sender empties; the contract is the store's.
type Outbox interface {
	ClaimDeliveries(ctx context.Context, now, until time.Time, limit int) ([]domain.Delivery, error)
	WebhookSecret(ctx context.Context, monitor, url string) (config.Secret, bool, error)
	FinishDelivery(ctx context.Context, d domain.Delivery, now time.Time, abandoned string) error
	RetryDelivery(ctx context.Context, d domain.Delivery, now, next time.Time, why string) error
}

const (
	senderPoll  = time.Second      // how often the outbox is looked at when nobody nudges
	senderLease = time.Minute      // longer than an attempt can take, so a lease ends only with its sender
	senderBatch = 16               // deliveries in flight at once
	firstRetry  = time.Second      // doubled at each attempt,
	longestWait = 10 * time.Minute // up to this,
	giveUpAfter = 24 * time.Hour   // until the event is this old
	stopGrace   = time.Second      // for calls in flight when the sender is being stopped
	afterwards  = 10 * time.Second // to note an outcome although the sender is being stopped
)

// Sender tells alert events to webhooks, from the outbox: at least once each, under
// an event id that never changes. A receiver that answers 2xx has been told; any
// other answer, or none, is tried again with growing pauses for a day. 410 Gone
// ends it at once.
type Sender struct {
	outbox Outbox
	client *Client
	clock  clock.Clock
	log    *slog.Logger
	nudge  chan struct{}
	sent   *prometheus.CounterVec
	// jitter spreads retries of many events over the pause: 0 … 1.
	jitter func() float64
}

// NewSender makes a sender; Run sends. A nil registry counts nothing.
func NewSender(outbox Outbox, client *Client, c clock.Clock, log *slog.Logger, metrics prometheus.Registerer) (*Sender, error) {
	s := &Sender{
		outbox: outbox, client: client, clock: c, log: log, nudge: make(chan struct{}, 1), jitter: rand.Float64,
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_monitor_webhook_attempts_total", Help: "Attempts to tell an alert event to a webhook, by outcome.",
		}, []string{"outcome"}),
	}
	if metrics != nil {
		if err := metrics.Register(s.sent); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Nudge makes the sender look into the outbox now. It never blocks.
func (s *Sender) Nudge() {
	select {
	case s.nudge <- struct{}{}:
	default: // it will look anyway
	}
}

// Run sends until ctx ends.
func (s *Sender) Run(ctx context.Context) error {
	tick := s.clock.NewTicker(senderPoll)
	defer tick.Stop()
	for {
		if err := s.Drain(ctx); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "outbox not read", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C():
		case <-s.nudge:
		}
	}
}

// Drain sends everything that is due now.
func (s *Sender) Drain(ctx context.Context) error {
	for {
		now := s.clock.Now()
		batch, err := s.outbox.ClaimDeliveries(ctx, now, now.Add(senderLease), senderBatch)
		if err != nil || len(batch) == 0 {
			return err
		}
		var wg sync.WaitGroup
		for _, d := range batch {
			wg.Go(func() { s.deliver(ctx, d) })
		}
		wg.Wait()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// deliver makes one attempt and notes its outcome.
func (s *Sender) deliver(ctx context.Context, d domain.Delivery) {
	secret, wanted, err := s.outbox.WebhookSecret(ctx, d.Monitor, d.URL)
	if err != nil {
		return // the lease ends by itself, and the attempt is made again
	}
	var outcome Outcome
	if wanted {
		call, done := s.inFlight(ctx)
		outcome = s.client.Tell(call, d, secret)
		done()
	} else {
		outcome = Outcome{Gone: true, Why: "the monitor no longer has this webhook"}
	}
	// What happened must be noted also when the sender is being stopped meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	now := s.clock.Now()
	label := "retried"
	switch {
	case outcome.Told:
		label, err = "delivered", s.outbox.FinishDelivery(ctx, d, now, "")
	case outcome.Gone || now.Sub(d.Created) >= giveUpAfter:
		label, err = "abandoned", s.outbox.FinishDelivery(ctx, d, now, outcome.Why)
	default:
		err = s.outbox.RetryDelivery(ctx, d, now, now.Add(s.pause(d.Attempts)), outcome.Why)
	}
	s.sent.WithLabelValues(label).Inc()
	if err != nil {
		s.log.ErrorContext(ctx, "outcome of a webhook not stored", "event", d.EventID, "err", err)
	}
	if label != "delivered" {
		s.log.WarnContext(ctx, "webhook not told", "event", d.EventID, "monitor", d.Monitor, "host", hostOf(d.URL),
			"attempt", d.Attempts, "outcome", label, "why", outcome.Why)
	}
}

// inFlight is a context for one call that outlives a stop by a moment: a receiver
// that has the event but whose answer nobody waited for would be told again.
func (s *Sender) inFlight(ctx context.Context) (context.Context, func()) {
	call, cancel := context.WithCancel(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() {
		select {
		case <-s.clock.After(stopGrace):
			cancel()
		case <-call.Done():
		}
	})
	return call, func() {
		forget()
		cancel()
	}
}

// pause is the wait after the n-th attempt: between half and all of 1 s · 2ⁿ⁻¹.
func (s *Sender) pause(attempts int) time.Duration {
	wait := longestWait
	if attempts < 20 {
		wait = min(firstRetry<<(attempts-1), longestWait)
	}
	return wait/2 + time.Duration(s.jitter()*float64(wait/2))
}

// hostOf is what of an address may be logged: its path and query may hold a token.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
