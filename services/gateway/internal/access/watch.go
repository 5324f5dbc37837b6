package access

import (
	"context"
	"log/slog"
	"time"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

const (
	fromNow        = -1
	shortestPause  = 100 * time.Millisecond
	longestPause   = 5 * time.Second
	pauseGrowth    = 2
	entityEndpoint = "endpoint"
	entityAll      = "metastore"
)

// Run follows the registry's events until ctx ends, and forgets what they make wrong. After a break it goes on where it
// was, so no event is missed; when the registry does not know that place any more, everything is forgotten instead.
func (c *Cache) Run(ctx context.Context) error {
	ctx = auth.With(ctx, self)
	position, pause := int64(fromNow), shortestPause
	for {
		if c.attempt(ctx, &position) {
			pause = shortestPause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.o.Clock.After(pause):
		}
		pause = min(pause*pauseGrowth, longestPause)
	}
}

// attempt follows one stream, and says in the log why it ended. It reports whether anything came.
func (c *Cache) attempt(ctx context.Context, position *int64) (came bool) {
	came, err := c.follow(ctx, position)
	if ctx.Err() != nil {
		return came
	}
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.FailedPrecondition, fault.DataLoss: // the place, not the way there, is wrong
		*position = fromNow
	}
	c.o.Log.LogAttrs(ctx, slog.LevelInfo, "registry events interrupted", slog.String("error", errorText(err)))
	return came
}

// follow reads one stream to its end, and reports whether anything came.
func (c *Cache) follow(ctx context.Context, position *int64) (came bool, err error) {
	stream, err := c.o.Events.WatchEvents(ctx, &registryv1.WatchEventsRequest{AfterPosition: *position})
	if err != nil {
		return false, err
	}
	for {
		r, err := stream.Recv()
		if err != nil {
			return came, err
		}
		if !came && *position == fromNow {
			c.forget(func(question) bool { return true }) // what happened before this stream, nobody told us
		}
		came = true
		if at := r.GetEvent().GetPosition(); at > 0 { // a heartbeat may have none
			*position = at
		}
		c.apply(r.GetEvent())
	}
}

func (c *Cache) apply(e *registryv1.Event) {
	switch e.GetKind() {
	case registryv1.EventKind_EVENT_KIND_GRANTS_CHANGED, registryv1.EventKind_EVENT_KIND_DELETED,
		registryv1.EventKind_EVENT_KIND_CREATED, registryv1.EventKind_EVENT_KIND_UPDATED:
	default:
		return
	}
	switch e.GetEntityType() {
	case entityEndpoint:
		c.forget(func(q question) bool { return q.endpoint == e.GetFullName() })
	case entityAll: // grants on the whole reach every endpoint
		c.forget(func(question) bool { return true })
	}
}

// forget drops answers, and keeps those that are being fetched from being remembered.
func (c *Cache) forget(wrong func(question) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	c.answers.DeleteFunc(func(q question, _ answer) bool { return wrong(q) })
}

func errorText(err error) string {
	if err == nil {
		return "the stream ended"
	}
	return err.Error()
}
