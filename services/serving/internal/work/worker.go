package work

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

const (
	claimRetry = time.Second // until another replica may be done with an endpoint
	ackPoll    = time.Second // acknowledgements to another replica announce themselves to nobody here
	maxSteps   = 200         // in one pass; more means that a step does not change what it was planned for

	stepTimeout = 2 * time.Minute // loading reads a model's header from wherever it lies
)

// worker leads one endpoint. It lives while there is something to do or to wait for.
type worker struct {
	r      *Reconciler
	id     string
	pauses map[string]*pause
}

// pause keeps a step that failed from being tried again at once.
type pause struct {
	backoff
	until time.Time
}

func (w *worker) run(ctx context.Context, bell chan struct{}) {
	store := backoff{first: w.r.Settings.Retry, longest: w.r.Settings.RetryLongest}
	for {
		wait, err := w.pass(ctx)
		switch {
		case err == nil:
			store.reset()
		case ctx.Err() == nil:
			wait = store.next()
			w.r.Log.WarnContext(ctx, "endpoint not reconciled", slog.String("endpoint_id", w.id), slog.Any("error", err), slog.Duration("retry_in", wait))
		}
		if wait == 0 && ctx.Err() == nil {
			if w.r.leave(w.id, bell) {
				return
			}
			continue
		}
		if !w.sleep(ctx, bell, wait) {
			return
		}
	}
}

func (w *worker) sleep(ctx context.Context, bell chan struct{}, wait time.Duration) bool {
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := w.r.Clock.NewTicker(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-bell:
	case <-timer.C():
	}
	return true
}

// pass does all that can be done about the endpoint now, under its lease, and says when to look again: 0 when only news
// can change anything.
func (w *worker) pass(ctx context.Context) (time.Duration, error) {
	ctx = rpc.WithRequestID(ctx, w.r.IDs.New())
	_, step, wait, err := w.look(ctx)
	if err != nil || step == nil {
		return wait, err
	}
	select {
	case w.r.slots <- struct{}{}:
		defer func() { <-w.r.slots }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	now := w.r.Clock.Now()
	mine, err := w.r.Store.Claim(ctx, w.id, w.r.Replica, now, now.Add(w.r.Settings.Lease))
	if err != nil {
		return 0, err
	}
	if !mine {
		return claimRetry, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer w.release(ctx)
	prolonged := make(chan struct{})
	go func() {
		defer close(prolonged)
		w.prolong(ctx, cancel)
	}()
	defer func() { // before the release, or a late prolongation would take the lease again
		cancel()
		<-prolonged
	}()
	for range maxSteps {
		e, step, wait, err := w.look(ctx)
		if err != nil || step == nil {
			return wait, err
		}
		if err := w.do(ctx, e, *step); err != nil {
			return 0, err
		}
	}
	return w.r.Settings.Retry, nil
}

// look plans: the first step that is not paused, or when to look again.
func (w *worker) look(ctx context.Context) (*domain.Endpoint, *domain.Step, time.Duration, error) {
	e, err := w.r.Store.ByID(ctx, w.id)
	if fault.Is(err, fault.NotFound) {
		return nil, nil, 0, nil
	}
	if err != nil {
		return nil, nil, 0, err
	}
	w.r.own(e)
	seen := w.r.Observer.Now()
	view := domain.View{Now: w.r.Clock.Now(), Connected: seen.Connected, Since: seen.Since, Instances: seen.Instances, Applied: math.MaxInt64}
	retiring := false
	for _, i := range e.Instances {
		retiring = retiring || i.State == domain.Retired
	}
	if retiring {
		if view.Applied, _, err = w.r.Store.Applied(ctx, view.Now); err != nil {
			return nil, nil, 0, err
		}
	}
	steps, wait := domain.Plan(e, view, w.r.Settings.Limits)
	if retiring {
		wait = sooner(wait, ackPoll)
	}
	for _, s := range steps {
		p := w.pauses[pauseKey(s)]
		if p == nil || !view.Now.Before(p.until) {
			return e, &s, 0, nil
		}
		wait = sooner(wait, p.until.Sub(view.Now))
	}
	return e, nil, wait, nil
}

func sooner(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

func pauseKey(s domain.Step) string { return string(s.Verb) + " " + s.Instance.ID }

// hold pauses a step, longer each time.
func (w *worker) hold(s domain.Step) {
	key := pauseKey(s)
	p := w.pauses[key]
	if p == nil {
		p = &pause{backoff: backoff{first: w.r.Settings.Retry, longest: w.r.Settings.RetryLongest}}
		w.pauses[key] = p
	}
	p.until = w.r.Clock.Now().Add(p.next())
}

// prolong keeps the lease while a step takes its time, and stops the pass when the lease is lost.
func (w *worker) prolong(ctx context.Context, cancel context.CancelFunc) {
	tick := w.r.Clock.NewTicker(w.r.Settings.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C():
		}
		now := w.r.Clock.Now()
		mine, err := w.r.Store.Claim(ctx, w.id, w.r.Replica, now, now.Add(w.r.Settings.Lease))
		if err == nil && !mine {
			cancel()
			return
		}
	}
}

func (w *worker) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := w.r.Store.Release(ctx, w.id, w.r.Replica); err != nil {
		w.r.Log.WarnContext(ctx, "lease not released", slog.String("endpoint_id", w.id), slog.Any("error", err))
	}
}
