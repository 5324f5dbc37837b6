package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// fetch brings an entry's file and tells those who wait.
func (k *Cache) fetch(ctx context.Context, e *entry, fetch Fetch) {
	err := k.bring(ctx, e.file, fetch)
	k.mu.Lock()
	defer k.mu.Unlock()
	e.give()
	if e.ready, e.err = err == nil, err; err != nil {
		delete(k.entries, e.file.SHA256) // the next caller tries anew
	}
	close(e.done)
}

// bring fetches to the partial file, going on where an earlier attempt ended, and moves the whole file to its place. Bytes
// kept from an earlier attempt may be damaged; when the hash is wrong with them, the file is fetched once more without.
func (k *Cache) bring(ctx context.Context, f File, fetch Fetch) error {
	resumed, err := k.download(ctx, f, fetch)
	if resumed && fault.Is(err, fault.DataLoss) {
		_, err = k.download(ctx, f, fetch)
	}
	if err != nil {
		return err
	}
	return k.install(f)
}

func (k *Cache) download(ctx context.Context, f File, fetch Fetch) (resumed bool, err error) {
	const op = "cache.download"
	part, err := os.OpenFile(k.partial(f.SHA256), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, fault.Wrap(op, fault.Unavailable, err, "the model cache cannot be written")
	}
	defer part.Close()
	sum := sha256.New()
	have, err := io.Copy(sum, part)
	if err != nil || have > f.Size {
		have = 0
		sum.Reset()
		if err := part.Truncate(0); err != nil {
			return false, fault.Wrap(op, fault.Unavailable, err, "the model cache cannot be written")
		}
		if _, err := part.Seek(0, io.SeekStart); err != nil {
			return false, fault.Wrap(op, fault.Unavailable, err, "the model cache cannot be written")
		}
	}
	if have < f.Size {
		w := &bounded{w: part, sum: sum, left: f.Size - have}
		if err := fetch(ctx, have, w); err != nil {
			if w.over {
				_ = os.Remove(part.Name())
				return have > 0, fault.New(op, fault.DataLoss, "more than the announced %d bytes came for a model file", f.Size).WithReason("ARTIFACT_DAMAGED")
			}
			return have > 0, err // the bytes stay for the next attempt
		}
		if w.left > 0 {
			return have > 0, fault.New(op, fault.Unavailable, "a model file ended %d bytes early", w.left)
		}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.SHA256 {
		_ = os.Remove(part.Name())
		return have > 0, fault.New(op, fault.DataLoss, "a model file came with the SHA-256 %s instead of %s", got, f.SHA256).WithReason("ARTIFACT_DAMAGED")
	}
	if err := part.Sync(); err != nil {
		return have > 0, fault.Wrap(op, fault.Unavailable, err, "the model cache cannot be written")
	}
	return have > 0, nil
}

// bounded writes what was announced and not a byte more, hashing as it goes.
type bounded struct {
	w    io.Writer
	sum  hash.Hash
	left int64
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		b.over = true
		return 0, io.ErrShortWrite
	}
	n, err := b.w.Write(p)
	b.sum.Write(p[:n])
	b.left -= int64(n)
	return n, err
}

// install moves a checked file into its place, for good even if the machine stops now.
func (k *Cache) install(f File) error {
	const op = "cache.install"
	to := k.path(f.SHA256)
	dir := filepath.Dir(to)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.Chmod(k.partial(f.SHA256), 0o400)
	}
	if err == nil {
		err = os.Rename(k.partial(f.SHA256), to)
	}
	if err == nil {
		err = flush(dir)
	}
	if err != nil {
		return fault.Wrap(op, fault.Unavailable, err, "the model cache cannot be written")
	}
	return nil
}

// flush makes a folder's entries durable.
func flush(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
