package artifact_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/registry/internal/artifact"
)

const most = 1 << 20

// eachBucket runs a test on memory and on a folder; files lists what is stored, however it is stored.
func eachBucket(t *testing.T, test func(t *testing.T, b *artifact.Bucket)) {
	for name, root := range map[string]func(t *testing.T) string{
		"memory":        func(*testing.T) string { return "mem://" },
		"folder":        func(t *testing.T) string { return filepath.Join(t.TempDir(), "new folder", "ü%20?") },
		"folder by url": func(t *testing.T) string { return "file://" + filepath.Join(t.TempDir(), "made") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t, root(t)))
		})
	}
}

func open(t *testing.T, root string) *artifact.Bucket {
	b, err := artifact.Open(t.Context(), root, id.UUIDv7())
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	require.NoError(t, b.Ping(t.Context()))
	return b
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// pieces returns a text in small chunks.
func pieces(s string) func() ([]byte, error) {
	return func() ([]byte, error) {
		if s == "" {
			return nil, io.EOF
		}
		n := min(3, len(s))
		chunk := []byte(s[:n])
		s = s[n:]
		return chunk, nil
	}
}

// stored is every content in the bucket.
func stored(t *testing.T, b *artifact.Bucket) (list []string) {
	require.NoError(t, b.Contents(t.Context(), time.Now().Add(time.Hour), func(sha string) error {
		list = append(list, sha)
		return nil
	}))
	staged, err := b.ClearStaging(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, staged, "nothing stays in staging")
	return list
}

func TestWhatIsStoredComesBack(t *testing.T) {
	t.Parallel()
	eachBucket(t, func(t *testing.T, b *artifact.Bucket) {
		const text = "hello, content"
		for _, want := range []artifact.Content{
			{SHA256: digest(text), Size: int64(len(text))}, {SHA256: digest(text), Size: -1}, {Size: int64(len(text))}, {Size: -1},
		} {
			got, err := b.Put(t.Context(), want, most, pieces(text))
			require.NoError(t, err)
			require.Equal(t, artifact.Content{SHA256: digest(text), Size: int64(len(text))}, got)
			require.Equal(t, []string{digest(text)}, stored(t, b), "once, however often")
			for offset := range len(text) + 1 {
				r, err := b.Read(t.Context(), got, int64(offset))
				require.NoError(t, err)
				rest, err := io.ReadAll(r)
				require.NoError(t, err)
				require.NoError(t, r.Close())
				require.Equal(t, text[offset:], string(rest))
			}
		}
	})
}

func TestTheEmptyFileIsAContent(t *testing.T) {
	t.Parallel()
	eachBucket(t, func(t *testing.T, b *artifact.Bucket) {
		for _, want := range []artifact.Content{{Size: 0}, {Size: -1, SHA256: digest("")}} {
			got, err := b.Put(t.Context(), want, most, pieces(""))
			require.NoError(t, err)
			require.Equal(t, artifact.Content{SHA256: digest("")}, got)
			ok, err := b.Exists(t.Context(), got.SHA256)
			require.NoError(t, err)
			require.True(t, ok)
		}
	})
}

func TestWhatIsNotAsAnnouncedLeavesNothing(t *testing.T) {
	t.Parallel()
	const text = "hello, content"
	broken := fault.New("test", fault.Canceled, "hung up")
	for name, c := range map[string]struct {
		want   artifact.Content
		most   int64
		next   func() ([]byte, error)
		kind   fault.Kind
		reason string
	}{
		"another digest":          {artifact.Content{SHA256: digest("other"), Size: -1}, most, pieces(text), fault.Invalid, "SHA256_MISMATCH"},
		"a byte more":             {artifact.Content{SHA256: digest(text), Size: 13}, most, pieces(text), fault.Invalid, "SIZE_MISMATCH"},
		"a byte less":             {artifact.Content{SHA256: digest(text), Size: 15}, most, pieces(text), fault.Invalid, "SIZE_MISMATCH"},
		"a byte more, unnamed":    {artifact.Content{Size: 13}, most, pieces(text), fault.Invalid, "SIZE_MISMATCH"},
		"too large":               {artifact.Content{Size: -1}, 13, pieces(text), fault.TooLarge, "FILE_TOO_LARGE"},
		"hung up":                 {artifact.Content{SHA256: digest(text), Size: -1}, most, hangUp(pieces(text), broken), fault.Canceled, "CANCELED"},
		"hung up, unnamed":        {artifact.Content{Size: -1}, most, hangUp(pieces(text), broken), fault.Canceled, "CANCELED"},
		"nothing but announced":   {artifact.Content{SHA256: digest(text), Size: 14}, most, pieces(""), fault.Invalid, "SIZE_MISMATCH"},
		"nothing, another digest": {artifact.Content{SHA256: digest(text), Size: -1}, most, pieces(""), fault.Invalid, "SHA256_MISMATCH"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := open(t, dir)
			_, err := b.Put(t.Context(), c.want, c.most, c.next)
			require.Equal(t, c.kind, fault.KindOf(err), "%v", err)
			require.Equal(t, c.reason, fault.Reason(err))
			require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				require.True(t, d.IsDir(), "%s was left behind", path)
				return err
			}))
		})
	}
}

// hangUp fails after two pieces.
func hangUp(next func() ([]byte, error), with error) func() ([]byte, error) {
	n := 0
	return func() ([]byte, error) {
		if n++; n > 2 {
			return nil, with
		}
		return next()
	}
}

func TestACanceledUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	eachBucket(t, func(t *testing.T, b *artifact.Bucket) {
		for _, sha := range []string{"", digest("hello")} {
			ctx, cancel := context.WithCancel(t.Context())
			next := pieces("hello")
			_, err := b.Put(ctx, artifact.Content{SHA256: sha, Size: -1}, most, func() ([]byte, error) {
				chunk, err := next()
				if errors.Is(err, io.EOF) {
					cancel() // at the last moment
				}
				return chunk, err
			})
			require.Equal(t, fault.Canceled, fault.KindOf(err), "%v", err)
			require.Empty(t, stored(t, b))
		}
	})
}

func TestADamagedContentIsNoticed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, dir)
	c, err := b.Put(t.Context(), artifact.Content{Size: -1}, most, pieces("hello"))
	require.NoError(t, err)
	file := filepath.Join(dir, "blobs", "sha256", c.SHA256[:2], c.SHA256)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte("hell"), info.Mode()))
	_, err = b.Read(t.Context(), c, 0)
	require.Equal(t, "CONTENT_DAMAGED", fault.Reason(err))
	_, err = b.Put(t.Context(), c, most, pieces("hello"))
	require.NoError(t, err)
	r, err := b.Read(t.Context(), c, 0)
	require.NoError(t, err, "uploading it again makes it whole")
	require.NoError(t, r.Close())
	require.NoError(t, b.Delete(t.Context(), c.SHA256))
	require.NoError(t, b.Delete(t.Context(), c.SHA256), "twice is no error")
	_, err = b.Read(t.Context(), c, 0)
	require.Equal(t, "CONTENT_MISSING", fault.Reason(err))
	require.True(t, fault.Is(err, fault.DataLoss))
}

func TestAContentIsReadAtAnyPlace(t *testing.T) {
	t.Parallel()
	eachBucket(t, func(t *testing.T, b *artifact.Bucket) {
		text := strings.Repeat("0123456789abcdef", 1000)
		c, err := b.Put(t.Context(), artifact.Content{Size: -1}, most, func() func() ([]byte, error) {
			r := bytes.NewReader([]byte(text))
			return func() ([]byte, error) {
				p := make([]byte, 1000)
				n, err := r.Read(p)
				return p[:n], err
			}
		}())
		require.NoError(t, err)
		at := b.At(t.Context(), c)
		require.NoError(t, iotest.TestReader(io.NewSectionReader(at, 0, c.Size), []byte(text)))
		p := make([]byte, 4)
		n, err := at.ReadAt(p, c.Size-2)
		require.Equal(t, 2, n)
		require.ErrorIs(t, err, io.EOF)
		_, err = at.ReadAt(p, c.Size)
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, at.Close())
		require.NoError(t, at.Close())
	})
}

func TestOnlyOldLeftoversAreRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, dir)
	c, err := b.Put(t.Context(), artifact.Content{Size: -1}, most, pieces("hello"))
	require.NoError(t, err)
	long := time.Now().Add(-48 * time.Hour)
	for path, old := range map[string]bool{
		"staging/a": true, "staging/b": false, "blobs/sha256/aa/x.1.tmp": true, "blobs/sha256/aa/y.2.tmp": false, "blobs/sha256/aa/note": true,
	} {
		path = filepath.Join(dir, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		if old {
			require.NoError(t, os.Chtimes(path, long, long))
		}
	}
	before := time.Now().Add(-24 * time.Hour)
	n, err := b.ClearStaging(t.Context(), before)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, b.Contents(t.Context(), before, func(string) error { return errors.New("the content is young") }))
	for path, stays := range map[string]bool{
		"staging/a": false, "staging/b": true, "blobs/sha256/aa/x.1.tmp": false, "blobs/sha256/aa/y.2.tmp": true, "blobs/sha256/aa/note": true,
		"blobs/sha256/" + c.SHA256[:2] + "/" + c.SHA256: true,
	} {
		_, err := os.Stat(filepath.Join(dir, path))
		require.Equal(t, stays, err == nil, path)
	}
}

func TestABadRootIsRefused(t *testing.T) {
	t.Parallel()
	for _, root := range []string{"", "ftp://x", "file://%zz", "mem://?what=1"} {
		_, err := artifact.Open(t.Context(), root, id.UUIDv7())
		require.True(t, fault.Is(err, fault.Invalid), "%q: %v", root, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := artifact.Open(t.Context(), file, id.UUIDv7())
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
}

// Opening a bucket asks nobody; that the drivers are linked and read their URLs is all that can be shown without a cloud.
func TestCloudBucketsAreKnown(t *testing.T) {
	t.Parallel()
	_, err := artifact.Open(t.Context(), "s3://bucket?region=eu-central-1&prefix=models/", id.UUIDv7())
	require.NoError(t, err)
	_, err = artifact.Open(t.Context(), "s3://bucket?nonsense=1", id.UUIDv7())
	require.True(t, fault.Is(err, fault.Invalid))
	for _, root := range []string{"gs://bucket?nonsense=1", "azblob://container?nonsense=1"} {
		_, err := artifact.Open(t.Context(), root, id.UUIDv7())
		require.Error(t, err)
		require.NotContains(t, err.Error(), "no driver registered", root)
	}
}
