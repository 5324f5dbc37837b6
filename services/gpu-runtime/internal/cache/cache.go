// Package cache keeps model files on this node's disk under their content's hash. A file is there whole or not at all: it
// is written beside its place, checked for size and SHA-256, flushed, and moved in by one rename. Any number of loads may
// ask for a file at once; it comes over the network once. Files in use stay; of the others, those unused for longest make
// room when the bound is reached.
//
//	DIR/ab/abcdef….gguf          a whole file, read-only
//	DIR/partial/abcdef….part     one that is coming, kept when it breaks off: the next attempt goes on where it ended
package cache

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
)

// File is a file's identity.
type File struct {
	SHA256 string // lower-case hex
	Size   int64  // bytes
}

// Fetch writes a file's bytes from offset to its end.
type Fetch func(ctx context.Context, offset int64, w io.Writer) error

// Cache is a folder of model files. It is for one process.
type Cache struct {
	dir   string
	limit int64
	clock clock.Clock
	log   *slog.Logger

	mu      sync.Mutex
	entries map[string]*entry // by hash
}

// entry is a file that is there, or is coming.
type entry struct {
	file    File
	users   int       // handles and waiters: above zero it stays
	used    time.Time // when the last user left
	ready   bool
	err     error
	done    chan struct{} // closed when it is there or cannot come
	give    context.CancelFunc
	waiters int
}

var hexSHA256 = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Open opens the folder, making it if need be, and takes stock. limit is its bound in bytes.
func Open(dir string, limit int64, c clock.Clock, log *slog.Logger) (*Cache, error) {
	const op = "cache.Open"
	dir, err := filepath.Abs(dir) // handles go to processes that run elsewhere
	if err != nil {
		return nil, fault.Wrap(op, fault.Unavailable, err, "the model cache cannot be opened at %s", dir)
	}
	if err := os.MkdirAll(filepath.Join(dir, "partial"), 0o700); err != nil {
		return nil, fault.Wrap(op, fault.Unavailable, err, "the model cache cannot be opened at %s", dir)
	}
	k := &Cache{dir: dir, limit: limit, clock: c, log: log, entries: map[string]*entry{}}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		hash, isFile := strings.CutSuffix(d.Name(), ".gguf")
		if !isFile || !hexSHA256.MatchString(hash) || path != k.path(hash) {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		e := &entry{file: File{SHA256: hash, Size: info.Size()}, used: info.ModTime(), ready: true, done: make(chan struct{})}
		close(e.done)
		k.entries[hash] = e
		return nil
	})
	if err == nil {
		err = k.sweep()
	}
	if err != nil {
		return nil, fault.Wrap(op, fault.Unavailable, err, "the model cache at %s cannot be read", dir)
	}
	return k, nil
}

// staleAfter is how long a file that broke off waits to be gone on with.
const staleAfter = 24 * time.Hour

// sweep removes partial files that nobody came back for.
func (k *Cache) sweep() error {
	parts, err := os.ReadDir(filepath.Join(k.dir, "partial"))
	if err != nil {
		return err
	}
	for _, d := range parts {
		info, err := d.Info()
		if err != nil {
			return err
		}
		if k.clock.Now().Sub(info.ModTime()) > staleAfter {
			if err := os.Remove(filepath.Join(k.dir, "partial", d.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *Cache) path(hash string) string    { return filepath.Join(k.dir, hash[:2], hash+".gguf") }
func (k *Cache) partial(hash string) string { return filepath.Join(k.dir, "partial", hash+".part") }

// Handle keeps a file from being evicted until Release.
type Handle struct {
	Path  string
	cache *Cache
	entry *entry
	once  sync.Once
}

// Release gives the file back; it may now make room for others. Releasing twice is releasing once.
func (h *Handle) Release() {
	h.once.Do(func() {
		h.cache.mu.Lock()
		defer h.cache.mu.Unlock()
		h.cache.leave(h.entry)
	})
}

// leave ends one use of a file and remembers when, on disk too, for the next process.
func (k *Cache) leave(e *entry) {
	if e.users--; e.users == 0 && e.ready {
		e.used = k.clock.Now()
		_ = os.Chtimes(k.path(e.file.SHA256), e.used, e.used) // a lost time costs an eviction in the wrong order, no more
	}
}

// Find returns a file that is there, or false.
func (k *Cache) Find(f File) (*Handle, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.entries[f.SHA256]
	if e == nil || !e.ready || e.file != f || !k.present(f) {
		return nil, false
	}
	e.users++
	return k.handle(e), true
}

// present checks that nobody took the file away or cut it behind our back.
func (k *Cache) present(f File) bool {
	info, err := os.Stat(k.path(f.SHA256))
	return err == nil && info.Mode().IsRegular() && info.Size() == f.Size
}

// Get returns the file, fetching it if it is not there. Callers that ask for the same file while it comes wait for the one
// fetch, which is given up when the last of them has gone.
func (k *Cache) Get(ctx context.Context, f File, fetch Fetch) (*Handle, error) {
	const op = "cache.Get"
	if !hexSHA256.MatchString(f.SHA256) || f.Size <= 0 {
		return nil, fault.New(op, fault.Invalid, "a model file is known by its SHA-256 and its size")
	}
	for {
		e, err := k.join(ctx, f, fetch)
		if err != nil {
			return nil, err
		}
		h, err := k.wait(ctx, e)
		if fault.Is(err, fault.Canceled) && ctx.Err() == nil {
			continue // given up by those who waited before, in the moment we came
		}
		return h, err
	}
}

func (k *Cache) handle(e *entry) *Handle {
	return &Handle{Path: k.path(e.file.SHA256), cache: k, entry: e}
}

// wait waits until an entry is there; the last to stop waiting ends its fetch.
func (k *Cache) wait(ctx context.Context, e *entry) (*Handle, error) {
	select {
	case <-e.done:
	case <-ctx.Done():
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e.waiters--
	if e.ready {
		return k.handle(e), nil
	}
	k.leave(e)
	if e.waiters == 0 && e.err == nil {
		e.give()
	}
	if e.err != nil {
		return nil, e.err
	}
	return nil, ctx.Err()
}

// join makes the caller a user of an entry that is there or coming, or begins to fetch it.
func (k *Cache) join(ctx context.Context, f File, fetch Fetch) (*entry, error) {
	const op = "cache.Get"
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.entries[f.SHA256]; e != nil {
		switch {
		case e.file.Size != f.Size:
			return nil, fault.New(op, fault.Invalid, "two sizes are given for one hash: %d and %d bytes", e.file.Size, f.Size)
		case !e.ready, k.present(f):
			e.users++
			e.waiters++
			return e, nil
		case e.users > 0:
			return nil, fault.New(op, fault.DataLoss, "the cached model file was changed while it is in use")
		}
		k.log.Warn("cached model file is missing or changed; fetching it again", slog.String("sha256", f.SHA256))
		k.drop(e)
	}
	if err := k.makeRoom(f.Size); err != nil {
		return nil, err
	}
	e := &entry{file: f, users: 1, waiters: 1, done: make(chan struct{})}
	fetching, give := context.WithCancel(context.WithoutCancel(ctx)) // keeps the trace of the caller who came first
	e.give = give
	k.entries[f.SHA256] = e
	go k.fetch(fetching, e, fetch)
	return e, nil
}
