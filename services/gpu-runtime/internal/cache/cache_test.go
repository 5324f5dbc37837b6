package cache_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/cache"
)

func open(t *testing.T, dir string, limit int64, c clock.Clock) *cache.Cache {
	t.Helper()
	k, err := cache.Open(dir, limit, c, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return k
}

func file(b []byte) cache.File {
	sum := sha256.Sum256(b)
	return cache.File{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(b))}
}

// content is n bytes that differ by seed.
func content(seed byte, n int) []byte {
	b := bytes.Repeat([]byte{seed}, n)
	b[n/2] ^= 0x55
	return b
}

func serve(b []byte) cache.Fetch {
	return func(_ context.Context, offset int64, w io.Writer) error {
		_, err := w.Write(b[offset:])
		return err
	}
}

func ctx(t *testing.T) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	t.Cleanup(cancel)
	return c
}

func files(t *testing.T, dir string) (n int) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	}))
	return n
}

func TestAFileComesOnceForAllWhoAskAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := open(t, dir, 1<<20, clock.System())
	b := content(1, 100_000)
	var fetched atomic.Int32
	gate := make(chan struct{})
	fetch := func(c context.Context, offset int64, w io.Writer) error {
		fetched.Add(1)
		<-gate
		return serve(b)(c, offset, w)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			h, err := k.Get(ctx(t), file(b), fetch)
			if err != nil {
				t.Error(err)
				return
			}
			defer h.Release()
			got, err := os.ReadFile(h.Path)
			if err != nil || !bytes.Equal(b, got) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	testkit.Eventually(t, testkit.Patience, func() bool { return fetched.Load() == 1 }, "nothing is fetched")
	close(gate)
	wg.Wait()
	require.EqualValues(t, 1, fetched.Load())
	h, ok := k.Find(file(b))
	require.True(t, ok)
	info, err := os.Stat(h.Path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o400), info.Mode().Perm())
	require.EqualValues(t, len(b), k.Size())

	again := open(t, dir, 1<<20, clock.System())
	_, ok = again.Find(file(b))
	require.True(t, ok, "the next process finds it")
}

func TestDamagedBytesLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	b := content(2, 5000)
	for name, sent := range map[string][]byte{"another content": content(3, 5000), "too many bytes": append(content(2, 5000), 0)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			k := open(t, dir, 1<<20, clock.System())
			_, err := k.Get(ctx(t), file(b), serve(sent))
			require.True(t, fault.Is(err, fault.DataLoss), "%v", err)
			require.Zero(t, files(t, dir))
			require.Zero(t, k.Size())
			_, ok := k.Find(file(b))
			require.False(t, ok)
			h, err := k.Get(ctx(t), file(b), serve(b))
			require.NoError(t, err, "the next attempt may succeed")
			h.Release()
		})
	}
}

func TestADownloadThatBrokeOffGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := open(t, dir, 1<<20, clock.System())
	b := content(4, 10_000)
	broken := errors.New("connection reset")
	_, err := k.Get(ctx(t), file(b), func(_ context.Context, _ int64, w io.Writer) error {
		_, _ = w.Write(b[:6000])
		return broken
	})
	require.ErrorIs(t, err, broken)
	_, err = k.Get(ctx(t), file(b), func(_ context.Context, offset int64, w io.Writer) error {
		_, _ = w.Write(b[offset : offset+1000])
		return nil // an end without an error, too early
	})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	var from int64 = -1
	h, err := k.Get(ctx(t), file(b), func(c context.Context, offset int64, w io.Writer) error {
		from = offset
		return serve(b)(c, offset, w)
	})
	require.NoError(t, err)
	h.Release()
	require.EqualValues(t, 7000, from)

	part := filepath.Join(dir, "partial", file(content(5, 9000)).SHA256+".part")
	require.NoError(t, os.WriteFile(part, make([]byte, 4000), 0o600)) // a crash left zeros where bytes should be
	var offsets []int64
	b = content(5, 9000)
	h, err = k.Get(ctx(t), file(b), func(c context.Context, offset int64, w io.Writer) error {
		offsets = append(offsets, offset)
		return serve(b)(c, offset, w)
	})
	require.NoError(t, err)
	h.Release()
	require.Equal(t, []int64{4000, 0}, offsets, "damaged bytes of an earlier attempt are fetched anew")
}

func TestFilesUnusedForLongestMakeRoom(t *testing.T) {
	t.Parallel()
	now := clock.NewFake(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	k := open(t, t.TempDir(), 3000, now)
	get := func(seed byte) *cache.Handle {
		b := content(seed, 1000)
		h, err := k.Get(ctx(t), file(b), serve(b))
		require.NoError(t, err)
		now.Advance(time.Hour)
		return h
	}
	has := func(seed byte) bool {
		h, ok := k.Find(file(content(seed, 1000)))
		if ok {
			h.Release()
		}
		return ok
	}
	one, two, three := get(1), get(2), get(3)
	_, err := k.Get(ctx(t), file(content(4, 1000)), serve(content(4, 1000)))
	require.True(t, fault.Is(err, fault.ResourceExhausted), "%v", err)
	require.Contains(t, fault.Text(err), "3000")
	two.Release()
	now.Advance(time.Hour)
	one.Release()
	one.Release()
	defer three.Release()
	get(4).Release()
	require.False(t, has(2), "left before the first")
	require.True(t, has(1))
	require.True(t, has(3))
	require.LessOrEqual(t, k.Size(), int64(3000))
}

func TestTheLastToStopWaitingEndsTheFetch(t *testing.T) {
	t.Parallel()
	k := open(t, t.TempDir(), 1<<20, clock.System())
	b := content(6, 1000)
	begun, ended := make(chan struct{}, 2), make(chan struct{}, 2) // two: the second may come after the first has gone
	slow := func(c context.Context, _ int64, _ io.Writer) error {
		begun <- struct{}{}
		<-c.Done()
		ended <- struct{}{}
		return c.Err()
	}
	first, leaveFirst := context.WithCancel(ctx(t))
	second, leaveSecond := context.WithCancel(ctx(t))
	errs := make(chan error, 2)
	go func() { _, err := k.Get(first, file(b), slow); errs <- err }()
	<-begun
	joined := make(chan struct{})
	go func() {
		close(joined)
		_, err := k.Get(second, file(b), slow)
		errs <- err
	}()
	<-joined
	leaveFirst()
	require.ErrorIs(t, <-errs, context.Canceled)
	leaveSecond()
	require.ErrorIs(t, <-errs, context.Canceled)
	<-ended
	h, err := k.Get(ctx(t), file(b), serve(b))
	require.NoError(t, err, "whoever comes next starts anew")
	h.Release()
}

func TestAFileTakenAwayBehindOurBackIsFetchedAgain(t *testing.T) {
	t.Parallel()
	k := open(t, t.TempDir(), 1<<20, clock.System())
	b := content(7, 1000)
	h, err := k.Get(ctx(t), file(b), serve(b))
	require.NoError(t, err)
	require.NoError(t, os.Remove(h.Path))
	_, err = k.Get(ctx(t), file(b), serve(b))
	require.True(t, fault.Is(err, fault.DataLoss), "in use: %v", err)
	h.Release()
	_, ok := k.Find(file(b))
	require.False(t, ok)
	h, err = k.Get(ctx(t), file(b), serve(b))
	require.NoError(t, err)
	require.FileExists(t, h.Path)
}

func TestNonsenseIsRefused(t *testing.T) {
	t.Parallel()
	k := open(t, t.TempDir(), 1<<20, clock.System())
	for _, f := range []cache.File{{}, {SHA256: "../../etc/passwd", Size: 1}, {SHA256: file([]byte("xx")).SHA256}} {
		_, err := k.Get(ctx(t), f, serve(nil))
		require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	}
	b := content(8, 100)
	h, err := k.Get(ctx(t), file(b), serve(b))
	require.NoError(t, err)
	h.Release()
	f := file(b)
	f.Size = 99
	_, err = k.Get(ctx(t), f, serve(b))
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	blocked := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(blocked, nil, 0o600))
	_, err = cache.Open(blocked, 1, clock.System(), slog.New(slog.DiscardHandler))
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
}
