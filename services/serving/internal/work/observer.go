package work

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// RuntimeWatch is the stream that an Observer follows.
type RuntimeWatch interface {
	Watch(ctx context.Context, each func(snapshot bool, seen []domain.Sighting)) error
}

// Observer remembers what the runtime last said of the instances whose ids begin with our prefix.
type Observer struct {
	runtime RuntimeWatch
	clock   clock.Clock
	log     *slog.Logger
	prefix  string
	changed func(instances []string, snapshot bool)

	mu        sync.Mutex
	connected bool
	since     time.Time
	seen      map[string]domain.Sighting
}

// NewObserver watches nothing yet. changed is told which instances there is news of, and whether everything was told anew.
func NewObserver(r RuntimeWatch, c clock.Clock, log *slog.Logger, prefix string, changed func(instances []string, snapshot bool)) *Observer {
	return &Observer{runtime: r, clock: c, log: log, prefix: prefix + ".", changed: changed, since: c.Now(), seen: map[string]domain.Sighting{}}
}

// Run watches until ctx ends.
func (o *Observer) Run(ctx context.Context) error {
	again(ctx, o.clock, o.log, "runtime", func(ctx context.Context, came func()) error {
		defer o.disconnected()
		return o.runtime.Watch(ctx, func(snapshot bool, seen []domain.Sighting) {
			came()
			o.take(snapshot, seen)
		})
	})
	return nil
}

func (o *Observer) disconnected() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.connected {
		o.connected, o.since = false, o.clock.Now()
	}
}

func (o *Observer) take(snapshot bool, seen []domain.Sighting) {
	o.mu.Lock()
	if snapshot {
		o.connected, o.since = true, o.clock.Now()
		clear(o.seen)
	}
	var news []string
	for _, s := range seen {
		if strings.HasPrefix(s.ID, o.prefix) && o.put(s) {
			news = append(news, s.ID)
		}
	}
	o.mu.Unlock()
	if snapshot || len(news) > 0 {
		o.changed(news, snapshot)
	}
}

// put keeps the newer of two sightings: the answer to a call and the watch may overtake each other.
func (o *Observer) put(s domain.Sighting) bool {
	old, known := o.seen[s.ID]
	if known && s.Generation < old.Generation {
		return false
	}
	if s.State == "" {
		delete(o.seen, s.ID)
		return known
	}
	o.seen[s.ID] = s
	return s.Observation != old.Observation // a node tells of every request; only states are news
}

// Tell is for sightings that came as the answer to a call.
func (o *Observer) Tell(s domain.Sighting) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.connected {
		o.put(s)
	}
}

// Forget is for an instance that the runtime was told to end: what it says of it until the next word is past.
func (o *Observer) Forget(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.seen, id)
}

// Observed is all that is known now.
type Observed struct {
	Connected bool
	Since     time.Time
	Instances map[string]domain.Observation
}

// Now is all that is known now.
func (o *Observer) Now() Observed {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := Observed{Connected: o.connected, Since: o.since, Instances: make(map[string]domain.Observation, len(o.seen))}
	for id, s := range maps.All(o.seen) {
		all.Instances[id] = s.Observation
	}
	return all
}
