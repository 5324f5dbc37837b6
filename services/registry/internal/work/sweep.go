package work

import (
	"context"
	"log/slog"
	"time"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// Bucket is what a sweeper needs of the artifact store.
type Bucket interface {
	Contents(ctx context.Context, before time.Time, each func(sha256 string) error) error
	Delete(ctx context.Context, sha256 string) error
	ClearStaging(ctx context.Context, before time.Time) (removed int, err error)
}

// Sweeper removes what uploads left behind and contents that no file refers to, once they are older than After. It
// condemns a content in the store before it deletes it from the bucket, so that an upload of the same content which comes
// at that very moment either saves it or is told to come again. Several replicas may sweep at once: a content that
// another has condemned is left to it for the time After.
type Sweeper struct {
	Store  store.Store
	Bucket Bucket
	Clock  clock.Clock
	Log    *slog.Logger
	Every  time.Duration
	After  time.Duration // more than the longest upload takes
	// Swept is told how many objects a sweep removed; nil tells nobody.
	Swept func(removed int)
}

const sweepBatch = 200

// Run sweeps until ctx ends. A sweep that fails is told and tried again at its next time.
func (s Sweeper) Run(ctx context.Context) error {
	tick := s.Clock.NewTicker(s.Every)
	defer tick.Stop()
	for {
		removed, err := s.Sweep(ctx)
		if s.Swept != nil {
			s.Swept(removed)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			s.Log.LogAttrs(ctx, slog.LevelWarn, "artifact sweep failed", slog.Any("error", err), slog.Int("removed", removed))
		case removed > 0:
			s.Log.LogAttrs(ctx, slog.LevelInfo, "artifacts swept", slog.Int("removed", removed))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C():
		}
	}
}

// Sweep looks at everything once and says how many objects it removed.
func (s Sweeper) Sweep(ctx context.Context) (removed int, err error) {
	before := s.Clock.Now().Add(-s.After)
	if removed, err = s.Bucket.ClearStaging(ctx, before); err != nil {
		return removed, err
	}
	n, err := s.unused(ctx, before)
	if removed += n; err != nil {
		return removed, err
	}
	n, err = s.unknown(ctx, before)
	return removed + n, err
}

// unused removes contents that the store knows and no file refers to.
func (s Sweeper) unused(ctx context.Context, before time.Time) (removed int, err error) {
	for {
		list, err := s.Store.Unused(ctx, before, sweepBatch)
		if err != nil {
			return removed, err
		}
		before := removed
		for _, sha := range list {
			ok, err := s.remove(ctx, sha)
			if err != nil {
				return removed, err
			}
			if ok {
				removed++
			}
		}
		if len(list) < sweepBatch || removed == before { // the last ones, or none that can be had just now
			return removed, nil
		}
	}
}

// unknown removes contents that the store has never heard of: whoever uploaded them died before saying so.
func (s Sweeper) unknown(ctx context.Context, before time.Time) (removed int, err error) {
	var batch []string
	flush := func() error {
		known, err := s.Store.Known(ctx, batch)
		if err != nil {
			return err
		}
		for _, sha := range batch {
			if known[sha] {
				continue
			}
			ok, err := s.remove(ctx, sha)
			if err != nil {
				return err
			}
			if ok {
				removed++
			}
		}
		batch = batch[:0]
		return nil
	}
	err = s.Bucket.Contents(ctx, before, func(sha string) error {
		if batch = append(batch, sha); len(batch) < sweepBatch {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	return removed, err
}

// remove condemns, deletes and forgets one content; false when it is needed after all.
func (s Sweeper) remove(ctx context.Context, sha string) (ok bool, err error) {
	now := s.Clock.Now()
	err = s.Store.Update(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		ok, err = tx.Condemn(ctx, sha, now.Add(-s.After), now)
		return err
	})
	if err != nil || !ok {
		return false, err
	}
	if err := s.Bucket.Delete(ctx, sha); err != nil {
		return false, err
	}
	return true, s.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error { return tx.Forget(ctx, sha) })
}
