package work_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/registry/internal/artifact"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
	"github.com/slipway-ai/slipway/services/registry/internal/store/sqlstore"
	"github.com/slipway-ai/slipway/services/registry/internal/work"
)

func TestAHeadWakesThoseWhoWaitForMore(t *testing.T) {
	t.Parallel()
	h := work.NewHead()
	waiting := h.Beyond(0)
	h.Advance(0)
	requireOpen(t, waiting)
	h.Advance(3)
	<-waiting
	<-h.Beyond(2)
	beyond := h.Beyond(3)
	h.Advance(2)
	requireOpen(t, beyond)
	h.Advance(4)
	<-beyond
}

func requireOpen(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
		t.Fatal("woken for nothing")
	default:
	}
}

type positions func() (int64, error)

func (p positions) Position(context.Context) (int64, error) { return p() }

func TestAHeadFollowsOtherReplicasPastFailures(t *testing.T) {
	t.Parallel()
	h, c := work.NewHead(), clock.NewFake(time.Unix(0, 0))
	var asked atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- h.Follow(ctx, positions(func() (int64, error) {
			if n := asked.Add(1); n != 2 {
				return n, nil
			}
			return 0, errors.New("away")
		}), c, time.Second, slog.New(slog.DiscardHandler))
	}()
	<-h.Beyond(0)
	third := h.Beyond(1)
	c.Await(1)
	for woken := false; !woken; {
		c.Advance(time.Second)
		select {
		case <-third:
			woken = true
		default:
		}
	}
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}

// room is a store, a bucket and a sweeper at a time that the test moves.
type room struct {
	store   *sqlstore.Store
	bucket  *artifact.Bucket
	dir     string
	clock   *clock.Fake
	sweeper work.Sweeper
	model   domain.Securable
}

func newRoom(t *testing.T) *room {
	r := &room{dir: t.TempDir(), clock: clock.NewFake(time.Now())}
	var err error
	r.store, err = sqlstore.Open(t.Context(), testkit.SQLite(t), sqlstore.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.store.Close() })
	r.bucket, err = artifact.Open(t.Context(), r.dir, id.UUIDv7())
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.bucket.Close() })
	r.sweeper = work.Sweeper{Store: r.store, Bucket: r.bucket, Clock: r.clock, Log: slog.New(slog.DiscardHandler), Every: time.Hour, After: 24 * time.Hour}
	r.model = domain.Securable{ID: "m", ParentID: domain.MetastoreID, Ref: domain.Ref{Type: domain.TypeModel, FullName: "a.b.c"}}
	r.update(t, func(ctx context.Context, tx store.Tx) error {
		if err := tx.Create(ctx, r.model); err != nil {
			return err
		}
		return tx.CreateModelVersion(ctx, domain.ModelVersion{ModelID: "m", Version: 1, Status: domain.Pending, Format: "custom"})
	})
	return r
}

func (r *room) update(t *testing.T, fn func(ctx context.Context, tx store.Tx) error) {
	require.NoError(t, r.store.Update(t.Context(), fn))
}

// put stores a text in the bucket; pinned and referred to as the test wants it.
func (r *room) put(t *testing.T, text string, pin, refer bool) (sha string) {
	sent := false
	c, err := r.bucket.Put(t.Context(), artifact.Content{SHA256: digest(text), Size: -1}, 100, func() ([]byte, error) {
		if sent {
			return nil, io.EOF
		}
		sent = true
		return []byte(text), nil
	})
	require.NoError(t, err)
	r.update(t, func(ctx context.Context, tx store.Tx) error {
		if pin {
			if err := tx.Pin(ctx, c.SHA256, c.Size, r.clock.Now()); err != nil {
				return err
			}
		}
		if refer {
			return tx.PutFile(ctx, "m", 1, domain.ArtifactFile{Path: text, Size: c.Size, SHA256: c.SHA256})
		}
		return nil
	})
	return c.SHA256
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (r *room) has(t *testing.T, sha string) bool {
	ok, err := r.bucket.Exists(t.Context(), sha)
	require.NoError(t, err)
	return ok
}

func TestASweepRemovesOnlyWhatNobodyNeeds(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	used, unused, unknown := r.put(t, "used", true, true), r.put(t, "unused", true, false), r.put(t, "unknown", false, false)
	require.NoError(t, os.MkdirAll(filepath.Join(r.dir, "staging"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "staging", "x"), nil, 0o600))

	n, err := r.sweeper.Sweep(t.Context())
	require.NoError(t, err)
	require.Zero(t, n, "everything is young")

	r.clock.Advance(25 * time.Hour)
	again := r.put(t, "unused", true, false) // somebody uploads it anew and is about to refer to it
	require.Equal(t, unused, again)
	n, err = r.sweeper.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, []bool{true, true, false}, []bool{r.has(t, used), r.has(t, unused), r.has(t, unknown)})

	r.clock.Advance(25 * time.Hour)
	r.update(t, func(ctx context.Context, tx store.Tx) error { return tx.Delete(ctx, "m") })
	n, err = r.sweeper.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, n, "with the model its content goes")
	require.False(t, r.has(t, used) || r.has(t, unused))
	known, err := r.store.Known(t.Context(), []string{used, unused, unknown})
	require.NoError(t, err)
	require.Empty(t, known)
}

// failing is a bucket that cannot delete, as after the death of a sweeper between condemning and deleting.
type failing struct{ *artifact.Bucket }

func (failing) Delete(context.Context, string) error { return errors.New("died") }

func TestAContentThatADeadSweeperCondemnedIsRemovedByTheNext(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	sha := r.put(t, "unused", true, false)
	r.clock.Advance(25 * time.Hour)
	dying := r.sweeper
	dying.Bucket = failing{r.bucket}
	_, err := dying.Sweep(t.Context())
	require.Error(t, err)

	err = r.store.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.Pin(ctx, sha, 6, r.clock.Now()) })
	require.True(t, fault.Is(err, fault.Aborted), "an upload of the same content is told to come again")
	n, err := r.sweeper.Sweep(t.Context())
	require.NoError(t, err)
	require.Zero(t, n, "it may still be at work")
	r.clock.Advance(25 * time.Hour)
	n, err = r.sweeper.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NotEmpty(t, r.put(t, "unused", true, true), "and now it can be uploaded again")
}

func TestASweeperGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	sha := r.put(t, "unused", true, false)
	r.clock.Advance(25 * time.Hour)
	tried := make(chan struct{}, 10)
	r.sweeper.Bucket = flaky{r.bucket, tried}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.sweeper.Run(ctx) }()
	<-tried
	r.clock.Await(1)
	r.clock.Advance(time.Hour)
	<-tried
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.True(t, r.has(t, sha))
}

type flaky struct {
	*artifact.Bucket
	tried chan struct{}
}

func (f flaky) ClearStaging(context.Context, time.Time) (int, error) {
	f.tried <- struct{}{}
	return 0, errors.New("away")
}
