package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"gocloud.dev/blob"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Content is what is known of a file's bytes.
type Content struct {
	SHA256 string // lower-case hex; empty: not known
	Size   int64  // bytes; -1: not known
}

// Put stores the chunks that next returns until io.EOF, and says what they were. Bytes that differ from what want
// announces, or that are more than most, are refused with Invalid or TooLarge; then, and when next or ctx fails, nothing
// is left behind.
//
// A content that is there already is written again: what stands under its name may be the torn remains of a machine that
// lost power, and writing makes it whole.
func (b *Bucket) Put(ctx context.Context, want Content, most int64, next func() ([]byte, error)) (Content, error) {
	if want.SHA256 == "" {
		return b.putUnnamed(ctx, want, most, next)
	}
	return b.write(ctx, key(want.SHA256), want, most, next)
}

// putUnnamed stores bytes whose digest is known only at their end.
func (b *Bucket) putUnnamed(ctx context.Context, want Content, most int64, next func() ([]byte, error)) (Content, error) {
	const op = "registry.artifact.Put"
	stage := staging + b.ids.New()
	got, err := b.write(ctx, stage, want, most, next)
	if err != nil {
		return Content{}, err
	}
	defer func() { _ = b.b.Delete(context.WithoutCancel(ctx), stage) }() // the sweeper takes what is left
	target := key(got.SHA256)
	if err := b.b.Copy(ctx, target, stage, nil); err != nil {
		return Content{}, failed(op, err, "the file cannot be stored")
	}
	if err := b.sync(target); err != nil {
		return Content{}, failed(op, err, "the file cannot be stored")
	}
	return got, nil
}

// write makes an object appear under key when all of it has arrived and is as announced.
func (b *Bucket) write(ctx context.Context, key string, want Content, most int64, next func() ([]byte, error)) (Content, error) {
	const op = "registry.artifact.Put"
	writing, abort := context.WithCancel(ctx)
	defer abort()
	w, err := b.b.NewWriter(writing, key, &blob.WriterOptions{ContentType: "application/octet-stream", DisableContentTypeDetection: true})
	if err != nil {
		return Content{}, failed(op, err, "the file cannot be stored")
	}
	got, err := receive(w, want, most, next)
	if err != nil {
		abort() // a writer whose context is canceled makes nothing visible when it is closed
		_ = w.Close()
		return Content{}, err
	}
	if err := w.Close(); err != nil {
		return Content{}, failed(op, err, "the file cannot be stored")
	}
	if err := b.sync(key); err != nil {
		return Content{}, failed(op, err, "the file cannot be stored")
	}
	return got, nil
}

// receive copies chunks to w while counting and hashing them.
func receive(w io.Writer, want Content, most int64, next func() ([]byte, error)) (Content, error) {
	const op = "registry.artifact.Put"
	h := sha256.New()
	size := int64(0)
	for {
		chunk, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Content{}, err
		}
		size += int64(len(chunk))
		if want.Size >= 0 && size > want.Size {
			return Content{}, fault.New(op, fault.Invalid, "more than the announced %d bytes arrived", want.Size).WithReason("SIZE_MISMATCH")
		}
		if size > most {
			return Content{}, fault.New(op, fault.TooLarge, "a file may have at most %d bytes", most).WithReason("FILE_TOO_LARGE")
		}
		_, _ = h.Write(chunk) // a hash never fails
		if _, err := w.Write(chunk); err != nil {
			return Content{}, failed(op, err, "the file cannot be stored")
		}
	}
	got := Content{SHA256: hex.EncodeToString(h.Sum(nil)), Size: size}
	switch {
	case want.Size >= 0 && size != want.Size:
		return Content{}, fault.New(op, fault.Invalid, "%d bytes arrived, %d were announced", size, want.Size).WithReason("SIZE_MISMATCH")
	case want.SHA256 != "" && got.SHA256 != want.SHA256:
		return Content{}, fault.New(op, fault.Invalid, "the bytes that arrived have SHA-256 %s, %s was announced", got.SHA256, want.SHA256).WithReason("SHA256_MISMATCH")
	}
	return got, nil
}

// Exists reports whether a content is stored.
func (b *Bucket) Exists(ctx context.Context, sha256 string) (bool, error) {
	ok, err := b.b.Exists(ctx, key(sha256))
	if err != nil {
		return false, failed("registry.artifact.Exists", err, "the artifact store does not answer")
	}
	return ok, nil
}
