package delta

import (
	"context"
	"io"
	"iter"
	"time"
)

// Store is the place where a table lies. Keys are slash-separated and relative
// to the table. A missing object is an error that is fs.ErrNotExist, an
// unwanted one is fs.ErrExist.
//
// A store MUST make PutIfAbsent atomic and exclusive over all processes that
// share the place: of any number of callers with one key exactly one succeeds,
// and a reader sees all of its bytes or no object. The table's whole safety
// rests on this.
//
// A store MUST have made bytes durable when Put, PutIfAbsent and File.Close
// return nil; a data file is named by a commit right after.
//
// A store MAY show an object to List late. It may not show it to Get or Open
// late: S3, GCS, Azure and POSIX are read-after-write consistent.
//
// An error of a PutIfAbsent other than fs.ErrExist leaves open whether the
// object was created. The commit loop looks, it does not guess.
type Store interface {
	// URL names the place for people and other engines.
	URL() string
	Get(ctx context.Context, key string) ([]byte, error)
	// Open reads parts of an object. Size is what the log says; the store may
	// trust it.
	Open(ctx context.Context, key string, size int64) (Reader, error)
	// Put creates or replaces an object at once.
	Put(ctx context.Context, key string, data []byte) error
	PutIfAbsent(ctx context.Context, key string, data []byte) error
	// Create writes an object that is too large to hold. It appears, durable,
	// when Close returns nil, and never after Abort.
	Create(ctx context.Context, key string) (File, error)
	// List yields every object under the prefix, which ends in "/" or is "".
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// Delete removes an object; a missing one is not an error.
	Delete(ctx context.Context, key string) error
}

// Reader reads an object at offsets.
type Reader interface {
	io.ReaderAt
	io.Closer
}

// File is an object being written. Exactly one of Close and Abort ends it.
type File interface {
	io.Writer
	Close() error
	Abort()
}

// Object is an entry of a listing.
type Object struct {
	Key     string
	Size    int64
	ModTime time.Time
}
