// Package work is what serving does by itself: it watches the runtime, the registry and its own store, and brings the
// world in line with what the store says. Everything is level-triggered: an event only says when to look, never what to
// do, so that a lost event costs time and not correctness.
//
// The parts, and who wakes whom:
//
//	registry events ─▶ Follower ─┐
//	verbs ───────────────────────┼─▶ Reconciler ─▶ worker per endpoint: claim → plan → step → plan …
//	runtime watch ──▶ Observer ──┤        ▲
//	gateway acks ───▶ Gateways ──┘        └── sweep every few seconds: what was missed, what is orphaned
//	store changes ──▶ Table ─────▶ every gateway's stream
package work

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/slipway-ai/slipway/pkg/clock"
)

// backoff is a pause that doubles with each failure, with a random part so that many do not try in step.
type backoff struct {
	first, longest time.Duration
	failures       int
}

func (b *backoff) next() time.Duration {
	pause := b.longest
	if b.failures < 20 {
		pause = min(b.first<<b.failures, b.longest)
	}
	b.failures++
	return pause/2 + rand.N(pause/2+1)
}

func (b *backoff) reset() { b.failures = 0 }

// again runs watch until ctx ends, waiting longer after each time it ended without having brought anything. The first
// failure of a row is told as a warning; that it goes on is for those who look closely.
func again(ctx context.Context, c clock.Clock, log *slog.Logger, of string, watch func(ctx context.Context, came func()) error) {
	pause := backoff{first: 100 * time.Millisecond, longest: time.Second}
	for {
		err := watch(ctx, pause.reset)
		if ctx.Err() != nil {
			return
		}
		level := slog.LevelDebug
		if pause.failures == 0 {
			level = slog.LevelWarn
		}
		wait := pause.next()
		if err != nil {
			log.LogAttrs(ctx, level, "watch interrupted", slog.String("of", of), slog.Any("error", err), slog.Duration("retry_in", wait))
		}
		if clock.Sleep(ctx, c, wait) != nil {
			return
		}
	}
}
