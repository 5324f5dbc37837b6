package identity

import (
	"context"
	"log/slog"
	"time"

	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

const (
	flushEvery = 20 * time.Second
	sweepEvery = time.Hour
	// keepEnded is how long an ended token is remembered, so that its bearer is told that it expired or was revoked.
	keepEnded = 30 * 24 * time.Hour
	// writeWithin bounds what upkeep writes while the gateway stops.
	writeWithin = 5 * time.Second
)

// note remembers the minute of a token's use. Within one minute it costs one atomic read.
func (a *Authenticator) note(x *answer) {
	minute := a.o.Clock.Now().UTC().Truncate(time.Minute)
	if x.minute.Swap(minute.Unix()) == minute.Unix() || x.token.LastUsedTime.Equal(minute) {
		return
	}
	a.usedMu.Lock()
	defer a.usedMu.Unlock()
	if a.used[x.token.ID].Before(minute) {
		a.used[x.token.ID] = minute
	}
}

// Run writes times of last use now and then, and forgets tokens that ended long ago, until ctx ends.
func (a *Authenticator) Run(ctx context.Context) error {
	flush, sweep := a.o.Clock.NewTicker(flushEvery), a.o.Clock.NewTicker(sweepEvery)
	defer flush.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return a.Flush(context.WithoutCancel(ctx))
		case <-flush.C():
			if err := a.Flush(ctx); err != nil {
				a.o.Log.LogAttrs(ctx, slog.LevelWarn, "times of last use cannot be written", slog.String("error", err.Error()))
			}
		case <-sweep.C():
			n, err := a.o.Store.SweepTokens(ctx, a.o.Clock.Now().Add(-keepEnded))
			if err != nil {
				a.o.Log.LogAttrs(ctx, slog.LevelWarn, "ended tokens cannot be swept", slog.String("error", err.Error()))
			} else if n > 0 {
				a.o.Log.LogAttrs(ctx, slog.LevelInfo, "ended tokens swept", slog.Int64("tokens", n))
			}
		}
	}
}

// Flush writes the times of last use that are not written yet. What cannot be written is kept for the next time.
func (a *Authenticator) Flush(ctx context.Context) error {
	a.usedMu.Lock()
	used := a.used
	a.used = map[string]time.Time{}
	a.usedMu.Unlock()
	if len(used) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	err := a.o.Store.TouchTokens(ctx, used)
	if err == nil {
		return nil
	}
	a.usedMu.Lock()
	defer a.usedMu.Unlock()
	for id, at := range used {
		if a.used[id].Before(at) {
			a.used[id] = at
		}
	}
	return err
}

// LastUsed is the newest time of use that is known here and may not be in the store yet: for lists.
func (a *Authenticator) LastUsed(t domain.Token) time.Time {
	a.usedMu.Lock()
	defer a.usedMu.Unlock()
	if at := a.used[t.ID]; at.After(t.LastUsedTime) {
		return at
	}
	return t.LastUsedTime
}
