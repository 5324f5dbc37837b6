package artifact

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/slipway-ai/slipway/pkg/fault"
)

var contentKey = regexp.MustCompile(`^` + blobs + `[0-9a-f]{2}/([0-9a-f]{64})$`)

// Contents calls each with every content that was stored before a time, in no order, until it returns an error. Each may
// delete it. Temporary files that a killed process left beside contents of a local folder are removed on the way.
func (b *Bucket) Contents(ctx context.Context, before time.Time, each func(sha256 string) error) error {
	return b.list(ctx, blobs, before, func(key string) error {
		if m := contentKey.FindStringSubmatch(key); m != nil {
			return each(m[1])
		}
		if b.local != "" && strings.HasSuffix(key, ".tmp") {
			return b.remove(ctx, key)
		}
		return nil
	})
}

// Delete removes a content; one that is not there is no error.
func (b *Bucket) Delete(ctx context.Context, sha256 string) error {
	return b.remove(ctx, key(sha256))
}

// ClearStaging removes what uploads left in staging before a time, and says how many there were.
func (b *Bucket) ClearStaging(ctx context.Context, before time.Time) (removed int, err error) {
	err = b.list(ctx, staging, before, func(key string) error {
		removed++
		return b.remove(ctx, key)
	})
	return removed, err
}

func (b *Bucket) remove(ctx context.Context, key string) error {
	if err := b.b.Delete(ctx, key); err != nil && kindOf(err, "") != fault.NotFound {
		return failed("registry.artifact.Delete", err, "a left-over cannot be removed")
	}
	return nil
}

func (b *Bucket) list(ctx context.Context, prefix string, before time.Time, each func(key string) error) error {
	it := b.b.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return failed("registry.artifact.List", err, "the artifact store cannot be listed")
		}
		if o.IsDir || !o.ModTime.Before(before) || !strings.HasPrefix(o.Key, prefix) {
			continue
		}
		if err := each(o.Key); err != nil {
			return err
		}
	}
}
