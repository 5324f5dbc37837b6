// Package work is the registry's loops: one that learns how far the stream of events has come, and one that removes
// contents which nobody needs any more.
package work

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/slipway-ai/slipway/pkg/clock"
)

// Head is how far the stream of events has come, as far as this process knows. Its own commits tell it at once; those of
// other replicas it learns by asking the store every now and then. It only ever moves forward.
type Head struct {
	mu       sync.Mutex
	position int64
	changed  chan struct{} // closed when position moves
}

// NewHead is a head that knows of nothing yet.
func NewHead() *Head { return &Head{changed: make(chan struct{})} }

// Advance says that there are events up to a position.
func (h *Head) Advance(position int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if position <= h.position {
		return
	}
	h.position = position
	close(h.changed)
	h.changed = make(chan struct{})
}

// Position is how far the stream has come.
func (h *Head) Position() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.position
}

// closed is what a question about the past gets.
var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Beyond is closed once there are events after a position. It may be closed by a move that does not reach so far: the one
// who waits looks for itself.
func (h *Head) Beyond(position int64) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.position > position {
		return closed
	}
	return h.changed
}

// Stream is what a head follows.
type Stream interface {
	Position(ctx context.Context) (int64, error)
}

// Follow asks the store every so often until ctx ends. A store that does not answer is asked again: watchers wait, and
// readiness says that the store is away.
func (h *Head) Follow(ctx context.Context, s Stream, c clock.Clock, every time.Duration, log *slog.Logger) error {
	tick := c.NewTicker(every)
	defer tick.Stop()
	for {
		position, err := s.Position(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			log.LogAttrs(ctx, slog.LevelWarn, "position of the event stream unknown", slog.Any("error", err))
		default:
			h.Advance(position)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C():
		}
	}
}
