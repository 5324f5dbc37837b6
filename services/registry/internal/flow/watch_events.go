package flow

import (
	"context"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// Head says how far the stream of events has come; work.Head is one.
type Head interface {
	// Beyond is closed once there are events after a position.
	Beyond(position int64) <-chan struct{}
}

// Events is the verbs of the event stream.
type Events struct {
	Desk
	Head      Head
	Heartbeat time.Duration // a watcher hears something at least this often
	SlowAfter time.Duration // a watcher that takes nothing for this long is cut
	// Watching is told of every watcher that comes (1) and goes (-1); nil tells nobody.
	Watching func(change int)
}

// Heartbeat is the kind of what a watcher hears when nothing happens. Its position is the place up to which the watcher
// has heard all that it may hear: where to go on from after a break.
const Heartbeat domain.EventKind = "HEARTBEAT"

const (
	eventBatch = 256
	eventQueue = 256
)

// Watch sends the events after a position (0: from the beginning, -1: from now), in order, without gaps, and then new ones
// as they are committed, until ctx ends, send fails, or the watcher is too slow. A first heartbeat says that history is
// over. A caller who is no admin hears of what it may see at the moment of telling; of a thing that was deleted it hears
// by what it holds above.
//
// Events are always read from the store, from the watcher's own place, whatever woke it. So none is lost or told twice,
// however many replicas there are; a wake-up that gets lost costs only time.
func (e Events) Watch(ctx context.Context, after int64, send func(domain.Event) error) error {
	const op = "registry.WatchEvents"
	c, err := caller(ctx, op)
	if err != nil {
		return err
	}
	newest, err := e.Store.Position(ctx)
	if err != nil {
		return err
	}
	switch {
	case after == -1:
		after = newest
	case after < -1 || after > newest:
		return fault.New(op, fault.Invalid, "there is no position %d yet, the newest is %d", after, newest).WithReason("POSITION_INVALID")
	}
	if e.Watching != nil {
		e.Watching(1)
		defer e.Watching(-1)
	}
	w := &watcher{Events: e, op: op, caller: c, place: after, queue: make(chan domain.Event, eventQueue), sent: make(chan error, 1)}
	go w.deliver(send)
	defer close(w.queue)
	return w.run(ctx)
}

// watcher reads on one side and sends on the other, so that it notices when the other side does not take.
type watcher struct {
	Events
	op     string
	caller domain.Caller
	place  int64 // all up to here has been read
	queue  chan domain.Event
	sent   chan error // the error that ended sending
}

// deliver sends what is queued. It may outlast run, while a send blocks: the stream's end wakes it.
func (w *watcher) deliver(send func(domain.Event) error) {
	for e := range w.queue {
		if err := send(e); err != nil {
			w.sent <- err
			return
		}
	}
}

func (w *watcher) run(ctx context.Context) error {
	beat := w.Clock.NewTicker(w.Heartbeat)
	defer beat.Stop()
	for caughtUp := false; ; {
		more := w.Head.Beyond(w.place) // asked before reading, so that nothing falls between
		n, err := w.read(ctx)
		if err != nil {
			return err
		}
		if n == eventBatch {
			continue
		}
		if !caughtUp {
			caughtUp = true
			if err := w.push(ctx, w.heartbeat()); err != nil {
				return err
			}
		}
		select {
		case <-more:
		case <-beat.C():
			if err := w.push(ctx, w.heartbeat()); err != nil {
				return err
			}
		case err := <-w.sent:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *watcher) heartbeat() domain.Event {
	return domain.Event{Kind: Heartbeat, Position: w.place, Time: w.now()}
}

// read queues the next events and returns how many there were, visible or not.
func (w *watcher) read(ctx context.Context) (int, error) {
	events, err := w.Store.Events(ctx, w.place, eventBatch)
	if err != nil {
		return 0, err
	}
	refs := make([]domain.Ref, len(events))
	for i, e := range events {
		refs[i] = e.Subject
	}
	accesses, err := judge(ctx, w.Store, w.caller, refs...)
	if err != nil {
		return 0, err
	}
	for i, e := range events {
		if accesses[i].Hears() {
			if err := w.push(ctx, e); err != nil {
				return 0, err
			}
		}
		w.place = e.Position
	}
	return len(events), nil
}

// push queues an event, or gives the watcher up.
func (w *watcher) push(ctx context.Context, e domain.Event) error {
	select {
	case w.queue <- e:
		return nil
	default:
	}
	select {
	case w.queue <- e:
		return nil
	case <-w.Clock.After(w.SlowAfter):
		return fault.New(w.op, fault.ResourceExhausted, "the watcher took nothing for %s; watch again after the last position received", w.SlowAfter).WithReason("WATCHER_TOO_SLOW")
	case err := <-w.sent:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
