package delta

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// tmpPrefix marks a file that is not there yet. Engines skip names that begin
// with a dot; Vacuum takes the ones a crash left.
const tmpPrefix = ".tmp-"

// Local is a store in a folder of this machine.
//
// The conditional create is link(2) of a finished, synced temporary file: it
// refuses to replace, it is atomic between processes, and no reader can see
// half a commit. Rename would replace silently, and O_EXCL would show a commit
// while it is being written. A folder is synced after a name appears in it,
// for a name is as losable as bytes are.
type Local struct {
	dir  string
	mu   sync.Mutex
	made map[string]bool // folders known to exist and to be synced
}

var _ Store = (*Local)(nil)

// NewLocal opens a folder, which it creates when it is missing.
func NewLocal(dir string) (*Local, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	l := &Local{dir: abs, made: map[string]bool{}}
	if err := l.ensureDir(abs); err != nil {
		return nil, err
	}
	return l, nil
}

// URL is the folder as a file URL.
func (l *Local) URL() string { return "file://" + filepath.ToSlash(l.dir) }

func (l *Local) path(key string) string { return filepath.Join(l.dir, filepath.FromSlash(key)) }

// Get reads a whole file.
func (l *Local) Get(_ context.Context, key string) ([]byte, error) {
	return os.ReadFile(l.path(key))
}

// Open opens a file for reading.
func (l *Local) Open(_ context.Context, key string, _ int64) (Reader, error) {
	return os.Open(l.path(key))
}

// Put replaces a file by renaming a synced one over it.
func (l *Local) Put(_ context.Context, key string, data []byte) error {
	return l.place(key, data, os.Rename)
}

// PutIfAbsent creates a file or fails with fs.ErrExist.
func (l *Local) PutIfAbsent(_ context.Context, key string, data []byte) error {
	return l.place(key, data, os.Link)
}

// place writes a temporary file beside the target and then gives it its name.
func (l *Local) place(key string, data []byte, name func(from, to string) error) error {
	to := l.path(key)
	dir := filepath.Dir(to)
	if err := l.ensureDir(dir); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, tmpPrefix+"*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // after a rename there is nothing left to remove
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644) // CreateTemp is private; a table is for other engines too
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if err := name(f.Name(), to); err != nil {
		return err
	}
	return syncDir(dir)
}

// confirm makes a name durable that an earlier, failed attempt left visible.
func (l *Local) confirm(key string) error { return syncDir(filepath.Dir(l.path(key))) }

// Create writes under the final name, which no commit knows yet; keys of data
// files are unique, so an existing one is an error.
func (l *Local) Create(_ context.Context, key string) (File, error) {
	p := l.path(key)
	if err := l.ensureDir(filepath.Dir(p)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	return &localFile{f}, nil
}

type localFile struct{ *os.File }

func (f *localFile) Close() error {
	err := f.Sync()
	if e := f.File.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = syncDir(filepath.Dir(f.Name()))
	}
	return err
}

func (f *localFile) Abort() {
	_ = f.File.Close()
	_ = os.Remove(f.Name())
}

// List walks the folder in lexical order.
func (l *Local) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		root := l.path(prefix)
		err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				if errors.Is(err, fs.ErrNotExist) {
					return nil // deleted while we walked, or never there
				}
				return err
			}
			if d.IsDir() {
				return ctx.Err()
			}
			info, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(l.dir, p)
			if err != nil {
				return err
			}
			o := Object{Key: filepath.ToSlash(rel), Size: info.Size(), ModTime: info.ModTime()}
			if !yield(o, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(Object{}, err)
		}
	}
}

// Delete removes a file.
func (l *Local) Delete(_ context.Context, key string) error {
	err := os.Remove(l.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// ensureDir makes a folder and its parents and syncs each parent that got a
// new entry, from the outside in.
func (l *Local) ensureDir(dir string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made[dir] {
		return nil
	}
	var missing []string
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err == nil {
			if !info.IsDir() {
				return fmt.Errorf("delta: %s is not a folder", d)
			}
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		missing = append(missing, d)
		if d == filepath.Dir(d) {
			break
		}
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := os.Mkdir(missing[i], 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := syncDir(filepath.Dir(missing[i])); err != nil {
			return err
		}
	}
	if strings.HasPrefix(dir, l.dir) {
		l.made[dir] = true
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if e := d.Close(); err == nil {
		err = e
	}
	return err
}
