package artifact

import (
	"context"
	"io"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Read streams a content of size bytes from an offset. DataLoss when the bucket's object has another size, or is gone
// although the store knows it.
func (b *Bucket) Read(ctx context.Context, c Content, offset int64) (io.ReadCloser, error) {
	const op = "registry.artifact.Read"
	if offset == c.Size {
		return io.NopCloser(eof{}), nil // buckets disagree on whether this range exists
	}
	r, err := b.b.NewRangeReader(ctx, key(c.SHA256), offset, -1, nil)
	if err != nil {
		if kindOf(err, "") == fault.NotFound {
			return nil, fault.Wrap(op, fault.DataLoss, err, "the content %s is missing in the artifact store", c.SHA256).WithReason("CONTENT_MISSING")
		}
		return nil, failed(op, err, "the file cannot be read")
	}
	if r.Size() != c.Size {
		_ = r.Close()
		return nil, fault.New(op, fault.DataLoss, "the content %s has %d bytes in the artifact store, %d were stored", c.SHA256, r.Size(), c.Size).WithReason("CONTENT_DAMAGED")
	}
	return r, nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// At reads a content at any place, best front to back: it keeps one stream open and asks for another only when the next
// read is not where the last one ended. It is for one goroutine.
type At struct {
	ctx     context.Context // io.ReaderAt has no place for it, and an At lives for one call
	b       *Bucket
	content Content
	stream  io.ReadCloser
	pos     int64
}

// At opens a content for reading at any place; close it.
func (b *Bucket) At(ctx context.Context, c Content) *At { return &At{ctx: ctx, b: b, content: c} }

// ReadAt implements io.ReaderAt.
func (a *At) ReadAt(p []byte, off int64) (int, error) {
	if off >= a.content.Size {
		return 0, io.EOF
	}
	if a.stream == nil || a.pos != off {
		if err := a.Close(); err != nil {
			return 0, err
		}
		r, err := a.b.Read(a.ctx, a.content, off)
		if err != nil {
			return 0, err
		}
		a.stream, a.pos = r, off
	}
	n, err := io.ReadFull(a.stream, p[:min(int64(len(p)), a.content.Size-off)])
	a.pos += int64(n)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Close ends the open stream.
func (a *At) Close() error {
	if a.stream == nil {
		return nil
	}
	err := a.stream.Close()
	a.stream = nil
	return err
}
