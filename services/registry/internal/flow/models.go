package flow

import (
	"context"
	"io"

	"github.com/slipway-ai/slipway/services/registry/internal/artifact"
)

// Blobs is where contents are kept; artifact.Bucket is one.
type Blobs interface {
	Put(ctx context.Context, want artifact.Content, most int64, next func() ([]byte, error)) (artifact.Content, error)
	Exists(ctx context.Context, sha256 string) (bool, error)
	Read(ctx context.Context, c artifact.Content, offset int64) (io.ReadCloser, error)
	At(ctx context.Context, c artifact.Content) *artifact.At
}

// Models is the verbs of model versions and their files.
type Models struct {
	Desk
	Blobs   Blobs
	MaxFile int64 // bytes that one file may have
}
