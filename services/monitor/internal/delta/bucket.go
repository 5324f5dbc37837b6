package delta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Bucket is a store in an object store that honours conditional puts: S3 and
// what speaks like it (If-None-Match), GCS (ifGenerationMatch=0), Azure
// (If-None-Match), memory. The driver must be linked in by the caller.
//
// The local driver of the blob library is refused: it looks whether a file is
// there and then renames over it, which two writers can both pass. [Local] is
// the store for folders.
type Bucket struct {
	bucket *blob.Bucket
	url    string
}

var _ Store = (*Bucket)(nil)

// NewBucket wraps an open bucket. Place names it for people.
func NewBucket(b *blob.Bucket, place string) *Bucket { return &Bucket{bucket: b, url: place} }

// OpenStore opens a folder or a bucket by its URL: a plain path,
// "file:///path", "s3://bucket/prefix?region=…", "gs://…", "azblob://…",
// "mem://". The path of a bucket URL is the table's prefix.
func OpenStore(ctx context.Context, place string) (Store, error) {
	u, err := url.Parse(place)
	if err != nil {
		return nil, fmt.Errorf("delta: table URL: %w", err)
	}
	switch u.Scheme {
	case "":
		return NewLocal(place)
	case "file":
		return NewLocal(u.Path)
	}
	prefix := strings.Trim(u.Path, "/")
	u.Path = ""
	b, err := blob.OpenBucket(ctx, u.String())
	if err != nil {
		return nil, fmt.Errorf("delta: open %s://%s: %w", u.Scheme, u.Host, err)
	}
	shown := u.Scheme + "://" + u.Host
	if prefix != "" {
		b = blob.PrefixedBucket(b, prefix+"/")
		shown += "/" + prefix
	}
	return NewBucket(b, shown), nil
}

// URL is the place less its query, which may hold keys.
func (s *Bucket) URL() string { return s.url }

// Close releases the bucket.
func (s *Bucket) Close() error { return s.bucket.Close() }

// Get reads a whole object.
func (s *Bucket) Get(ctx context.Context, key string) ([]byte, error) {
	b, err := s.bucket.ReadAll(ctx, key)
	return b, blobErr(key, err)
}

// wholeObject is the size up to which one GET is cheaper than several ranges.
const wholeObject = 4 << 20

// Open reads small objects at once and large ones by range.
func (s *Bucket) Open(ctx context.Context, key string, size int64) (Reader, error) {
	if size <= wholeObject {
		b, err := s.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		return nopCloser{bytes.NewReader(b)}, nil
	}
	return &rangeReader{ctx: ctx, bucket: s.bucket, key: key, size: size}, nil
}

type nopCloser struct{ io.ReaderAt }

func (nopCloser) Close() error { return nil }

// rangeReader reads ranges of at least readAhead bytes and keeps the last few,
// because a Parquet reader walks several column chunks side by side, each in
// small steps. It serves one goroutine.
type rangeReader struct {
	ctx    context.Context
	bucket *blob.Bucket
	key    string
	size   int64
	kept   []span // most recent last
}

type span struct {
	off  int64
	data []byte
}

const (
	readAhead = 1 << 20
	keptSpans = 16
)

func (r *rangeReader) ReadAt(p []byte, off int64) (int, error) {
	if off >= r.size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), r.size-off)
	s, err := r.span(off, want)
	if err != nil {
		return 0, err
	}
	n := copy(p, s.data[off-s.off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (r *rangeReader) span(off, want int64) (span, error) {
	for i := len(r.kept) - 1; i >= 0; i-- {
		if s := r.kept[i]; off >= s.off && off+want <= s.off+int64(len(s.data)) {
			return s, nil
		}
	}
	n := min(max(want, readAhead), r.size-off)
	rd, err := r.bucket.NewRangeReader(r.ctx, r.key, off, n, nil)
	if err != nil {
		return span{}, blobErr(r.key, err)
	}
	defer func() { _ = rd.Close() }()
	s := span{off: off, data: make([]byte, n)}
	if _, err := io.ReadFull(rd, s.data); err != nil {
		return span{}, err
	}
	if len(r.kept) == keptSpans {
		r.kept = append(r.kept[:0], r.kept[1:]...)
	}
	r.kept = append(r.kept, s)
	return s, nil
}

func (r *rangeReader) Close() error { return nil }

var writeOptions = blob.WriterOptions{ContentType: "application/octet-stream", DisableContentTypeDetection: true}

// Put creates or replaces an object.
func (s *Bucket) Put(ctx context.Context, key string, data []byte) error {
	o := writeOptions
	return blobErr(key, s.bucket.WriteAll(ctx, key, data, &o))
}

// PutIfAbsent creates an object or fails with fs.ErrExist.
func (s *Bucket) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	o := writeOptions
	o.IfNotExist = true
	return blobErr(key, s.bucket.WriteAll(ctx, key, data, &o))
}

// Create streams an object.
func (s *Bucket) Create(ctx context.Context, key string) (File, error) {
	ctx, cancel := context.WithCancel(ctx)
	o := writeOptions
	w, err := s.bucket.NewWriter(ctx, key, &o)
	if err != nil {
		cancel()
		return nil, blobErr(key, err)
	}
	return &bucketFile{w, cancel}, nil
}

type bucketFile struct {
	*blob.Writer
	cancel context.CancelFunc
}

func (f *bucketFile) Close() error {
	defer f.cancel()
	return f.Writer.Close()
}

// Abort cancels the upload before it ends, which is how the library says that
// no object shall appear.
func (f *bucketFile) Abort() {
	f.cancel()
	_ = f.Writer.Close()
}

// List yields the objects under a prefix in lexical order.
func (s *Bucket) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		it := s.bucket.List(&blob.ListOptions{Prefix: prefix})
		for {
			o, err := it.Next(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Object{}, err)
				return
			}
			if !yield(Object{Key: o.Key, Size: o.Size, ModTime: o.ModTime}, nil) {
				return
			}
		}
	}
}

// Delete removes an object.
func (s *Bucket) Delete(ctx context.Context, key string) error {
	err := blobErr(key, s.bucket.Delete(ctx, key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func blobErr(key string, err error) error {
	switch gcerrors.Code(err) {
	case gcerrors.OK:
		return nil
	case gcerrors.NotFound:
		return fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	case gcerrors.FailedPrecondition, gcerrors.AlreadyExists:
		return fmt.Errorf("%s: %w", key, fs.ErrExist)
	default:
		return err
	}
}
