// Package artifact keeps the bytes of model versions in a bucket: a local folder, S3, Google Cloud Storage, Azure, or
// memory in tests. A content is stored once under its SHA-256, whoever uploads it and however often; which file of which
// version it is, the store knows.
//
// A content appears under its name only when it is whole and its digest and size have been checked. When the uploader
// says the digest beforehand, which the platform's own clients do, the bytes stream straight to their place: a bucket's
// writer makes an object visible on Close, and a canceled writer leaves nothing. When not, they go to a staging name
// first and are copied by the bucket. What a crash leaves in staging, and contents that no file refers to, the sweeper
// (package work) removes.
//
// The bucket below must be the registry's own, or a prefix of it must be: everything under blobs/ and staging/ that the
// store does not know is taken for left-overs.
package artifact

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://container
	_ "gocloud.dev/blob/fileblob"  // file:///folder
	_ "gocloud.dev/blob/gcsblob"   // gs://bucket
	_ "gocloud.dev/blob/memblob"   // mem://
	_ "gocloud.dev/blob/s3blob"    // s3://bucket?prefix=…&region=…
	"gocloud.dev/gcerrors"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
)

const (
	blobs   = "blobs/sha256/"
	staging = "staging/"
)

// Bucket is an open bucket. It is safe for concurrent use.
type Bucket struct {
	b     *blob.Bucket
	ids   id.Source
	local string // the folder of a file bucket, whose files we sync ourselves; empty for others
}

// Open opens the bucket at a URL: file:///folder (or a folder's path), s3://…, gs://…, azblob://…, mem://. A local folder is
// made when it is not there, for its owner alone.
func Open(ctx context.Context, root string, ids id.Source) (*Bucket, error) {
	const op = "registry.artifact.Open"
	u, err := rootURL(root)
	if err != nil {
		return nil, fault.Wrap(op, fault.Invalid, err, "the artifact root is neither a URL nor the path of a folder")
	}
	b := &Bucket{ids: ids}
	if u.Scheme == "file" {
		if b.local, err = filepath.Abs(u.Path); err != nil {
			return nil, fault.Wrap(op, fault.Invalid, err, "the artifact root %s is no folder", u.Path)
		}
		if err := os.MkdirAll(b.local, 0o700); err != nil {
			return nil, fault.Wrap(op, fault.Unavailable, err, "the artifact folder %s cannot be made", b.local)
		}
		// Temporary files go beside their targets, so that renaming one never crosses file systems; attributes are kept by
		// the store, so a sidecar file for each object would only be in the way.
		u = &url.URL{Scheme: "file", Path: filepath.ToSlash(b.local), RawQuery: "no_tmp_dir=true&metadata=skip&dir_file_mode=0700&create_dir=true"}
	}
	if b.b, err = blob.OpenBucket(ctx, u.String()); err != nil {
		return nil, fault.Wrap(op, kindOf(err, fault.Invalid), err, "the artifact root cannot be opened")
	}
	return b, nil
}

// rootURL takes a path as it is: a folder may have a % or a ? in its name.
func rootURL(root string) (*url.URL, error) {
	switch {
	case root == "":
		return nil, errors.New("it is empty")
	case strings.Contains(root, "://"):
		return url.Parse(root)
	}
	return &url.URL{Scheme: "file", Path: root}, nil
}

// Ping reports whether the bucket answers.
func (b *Bucket) Ping(ctx context.Context) error {
	ok, err := b.b.IsAccessible(ctx)
	if err != nil || !ok {
		return fault.Wrap("registry.artifact.Ping", fault.Unavailable, err, "the artifact store does not answer")
	}
	return nil
}

// Close closes the bucket.
func (b *Bucket) Close() error { return b.b.Close() }

// key spreads contents over folders, for the sake of local ones.
func key(sha256 string) string { return blobs + sha256[:2] + "/" + sha256 }

// kindOf maps the portable codes of buckets.
func kindOf(err error, otherwise fault.Kind) fault.Kind {
	if k := fault.KindOf(err); k == fault.Canceled || k == fault.DeadlineExceeded {
		return k
	}
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		return fault.NotFound
	case gcerrors.Canceled:
		return fault.Canceled
	case gcerrors.DeadlineExceeded:
		return fault.DeadlineExceeded
	}
	return otherwise
}

func failed(op string, err error, text string) error {
	return fault.Wrap(op, kindOf(err, fault.Unavailable), err, "%s", text)
}

// sync makes a local object survive a power failure: the file, and the folder that names it. Other buckets promise that
// themselves.
func (b *Bucket) sync(key string) error {
	if b.local == "" {
		return nil
	}
	path := filepath.Join(b.local, filepath.FromSlash(key))
	for _, p := range []string{path, filepath.Dir(path), filepath.Dir(filepath.Dir(path))} {
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		err = f.Sync()
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil && !strings.HasSuffix(p, filepath.FromSlash(key)) {
			continue // some file systems cannot sync a folder, and keep its order anyway
		}
		if err != nil {
			return err
		}
	}
	return nil
}
