package api_test

import (
	"bytes"
	"context"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/testkit"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

// kept is the files that lie in the artifact folder.
func kept(t testing.TB, h *house) (files []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.Contains(path, "registry.db") {
			files = append(files, filepath.Base(path))
		}
		return err
	}))
	return files
}

func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

func TestFilesGoUpAndComeDown(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		furnish(t, h)
		ctx := admin(t)
		v := newVersion(t, h, ctx, chat, "mlflow")
		content := map[string][]byte{
			"MLmodel": []byte("flavors: {python_function: {}}\n"), "data/weights.bin": noise(3<<20 + 7), "data/same.bin": noise(3<<20 + 7), "empty/__init__.py": {}, "ü/größe.txt": []byte("x"),
		}
		for path, b := range content {
			f := must[*registryv1.ArtifactFile](t)(h.upload(ctx, chat, v, path, b))
			require.Equal(t, (&registryv1.ArtifactFile{Path: path, SizeBytes: int64(len(b)), Sha256: digest(b)}).String(), f.String())
		}
		done := finalize(t, h, ctx, chat, v)
		require.Len(t, done.GetFiles(), len(content))
		require.Equal(t, "python_function", done.GetProperties()["flavors"])
		require.Len(t, kept(t, h), 1+4, "equal contents are stored once")

		for path, b := range content {
			f, got, err := h.download(ctx, chat, v, path, 0)
			require.NoError(t, err)
			require.Equal(t, digest(b), f.GetSha256())
			require.True(t, bytes.Equal(b, got), path)
		}
		big := content["data/weights.bin"]
		for _, offset := range []int{1, 1000, 256 << 10, 256<<10 + 1, len(big) - 1, len(big)} {
			f, got, err := h.download(ctx, chat, v, "data/weights.bin", int64(offset))
			require.NoError(t, err)
			require.EqualValues(t, len(big), f.GetSizeBytes())
			require.True(t, bytes.Equal(big[offset:], got), offset)
		}
		// A download that breaks goes on from where it was, in pieces that fit.
		var pieces []byte
		for len(pieces) < len(big) {
			c, cancel := context.WithCancel(ctx)
			stream := must[registryv1.ArtifactService_DownloadArtifactClient](t)(h.artifact.DownloadArtifact(c, &registryv1.DownloadArtifactRequest{Model: chat, Version: v, Path: "data/weights.bin", Offset: int64(len(pieces))}))
			must[*registryv1.DownloadArtifactResponse](t)(stream.Recv())
			pieces = append(pieces, must[*registryv1.DownloadArtifactResponse](t)(stream.Recv()).GetChunk()...)
			cancel()
		}
		require.True(t, bytes.Equal(big, pieces))
	})
}

func TestDownloadsAreRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), nil)
	furnish(t, h)
	for name, c := range map[string]struct {
		model   string
		version int64
		path    string
		offset  int64
		kind    fault.Kind
		reason  string
	}{
		"no such file":     {chat, 1, "nothing", 0, fault.NotFound, ""},
		"no such version":  {chat, 9, "weights.bin", 0, fault.NotFound, ""},
		"no such model":    {"main.demo.x", 1, "weights.bin", 0, fault.NotFound, ""},
		"not READY":        {chat, 2, "weights.bin", 0, fault.FailedPrecondition, "VERSION_NOT_READY"},
		"beyond the end":   {chat, 1, "weights.bin", 13, fault.Invalid, "OFFSET_INVALID"},
		"before the start": {chat, 1, "weights.bin", -1, fault.Invalid, ""},
		"out of the house": {chat, 1, "../../registry.db", 0, fault.Invalid, "PATH_INVALID"},
		"absolute":         {chat, 1, "/etc/passwd", 0, fault.Invalid, "PATH_INVALID"},
		"version 0":        {chat, 0, "weights.bin", 0, fault.Invalid, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := h.download(admin(t), c.model, c.version, c.path, c.offset)
			refused(t, err, c.kind, c.reason)
		})
	}
}

func TestUploadsAreRefusedAndLeaveNothing(t *testing.T) {
	t.Parallel()
	content := []byte("some other weights")
	header := func(change func(u *registryv1.UploadArtifactHeader)) *registryv1.UploadArtifactHeader {
		u := &registryv1.UploadArtifactHeader{Model: chat, Version: 2, SizeKnown: true, File: &registryv1.ArtifactFile{Path: "new.bin", SizeBytes: int64(len(content)), Sha256: digest(content)}}
		change(u)
		return u
	}
	for name, c := range map[string]struct {
		change func(u *registryv1.UploadArtifactHeader)
		kind   fault.Kind
		reason string
		says   string
	}{
		"another digest":           {func(u *registryv1.UploadArtifactHeader) { u.File.Sha256 = digest(nil) }, fault.Invalid, "SHA256_MISMATCH", digest(content)},
		"a byte less":              {func(u *registryv1.UploadArtifactHeader) { u.File.SizeBytes++ }, fault.Invalid, "SIZE_MISMATCH", "18 bytes arrived, 19 were announced"},
		"a byte more":              {func(u *registryv1.UploadArtifactHeader) { u.File.SizeBytes-- }, fault.Invalid, "SIZE_MISMATCH", "more than the announced 17 bytes"},
		"more than nothing":        {func(u *registryv1.UploadArtifactHeader) { u.File.SizeBytes = 0 }, fault.Invalid, "SIZE_MISMATCH", "more than the announced 0 bytes"},
		"a size without a promise": {func(u *registryv1.UploadArtifactHeader) { u.File.SizeBytes, u.SizeKnown = 17, false }, fault.Invalid, "SIZE_MISMATCH", ""},
		"a size below nothing":     {func(u *registryv1.UploadArtifactHeader) { u.File.SizeBytes = -1 }, fault.Invalid, "SIZE_INVALID", "negative"},
		"no digest":                {func(u *registryv1.UploadArtifactHeader) { u.File.Sha256 = "xyz" }, fault.Invalid, "SHA256_INVALID", ""},
		"announced too large":      {func(u *registryv1.UploadArtifactHeader) { u.File.SizeBytes = 5 << 20 }, fault.TooLarge, "FILE_TOO_LARGE", "at most 4194304"},
		"no path":                  {func(u *registryv1.UploadArtifactHeader) { u.File.Path = "" }, fault.Invalid, "PATH_INVALID", "empty"},
		"out of the version":       {func(u *registryv1.UploadArtifactHeader) { u.File.Path = "../new.bin" }, fault.Invalid, "PATH_INVALID", `".."`},
		"deep out of the version":  {func(u *registryv1.UploadArtifactHeader) { u.File.Path = "a/../../new.bin" }, fault.Invalid, "PATH_INVALID", ""},
		"absolute":                 {func(u *registryv1.UploadArtifactHeader) { u.File.Path = "/tmp/new.bin" }, fault.Invalid, "PATH_INVALID", "absolute"},
		"a NUL in the path":        {func(u *registryv1.UploadArtifactHeader) { u.File.Path = "new\x00.bin" }, fault.Invalid, "PATH_INVALID", "control"},
		"a backslash":              {func(u *registryv1.UploadArtifactHeader) { u.File.Path = `a\..\b` }, fault.Invalid, "PATH_INVALID", ""},
		"no file":                  {func(u *registryv1.UploadArtifactHeader) { u.File = nil }, fault.Invalid, "", "file"},
		"no version":               {func(u *registryv1.UploadArtifactHeader) { u.Version = 0 }, fault.Invalid, "", "version"},
		"an unknown version":       {func(u *registryv1.UploadArtifactHeader) { u.Version = 99 }, fault.NotFound, "", "version 99"},
		"an unknown model":         {func(u *registryv1.UploadArtifactHeader) { u.Model = "main.demo.x" }, fault.NotFound, "", ""},
		"a READY version":          {func(u *registryv1.UploadArtifactHeader) { u.Version = 1 }, fault.FailedPrecondition, "VERSION_IMMUTABLE", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, sqlite(t), nil)
			furnish(t, h)
			before := kept(t, h)
			_, err := h.send(admin(t), header(c.change), content)
			refused(t, err, c.kind, c.reason, c.says)
			require.Equal(t, before, kept(t, h), "nothing is left in the bucket")
			v := must[*registryv1.GetModelVersionResponse](t)(h.model.GetModelVersion(admin(t), &registryv1.GetModelVersionRequest{Model: chat, Version: 2})).GetModelVersion()
			require.Len(t, v.GetFiles(), 1, "nor in the version")
		})
	}
}

func TestAnEmptyFileIsRefusedWhereItCanOnlyBeAMistake(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), nil)
	furnish(t, h)
	ctx := admin(t)
	for _, format := range []string{"gguf", "onnx"} {
		v := newVersion(t, h, ctx, chat, format)
		_, err := h.upload(ctx, chat, v, "model."+format, nil)
		refused(t, err, fault.Invalid, "FILE_EMPTY", `"model.`+format+`" is empty (0 bytes)`)
	}
	v := newVersion(t, h, ctx, chat, "mlflow")
	must[*registryv1.ArtifactFile](t)(h.upload(ctx, chat, v, "__init__.py", nil))
}

func TestAnUploadKeepsToItsForm(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), nil)
	furnish(t, h)
	head := func() *registryv1.UploadArtifactRequest {
		return &registryv1.UploadArtifactRequest{Part: &registryv1.UploadArtifactRequest_Header{Header: &registryv1.UploadArtifactHeader{Model: chat, Version: 2, File: &registryv1.ArtifactFile{Path: "new.bin"}}}}
	}
	chunk := func(n int) *registryv1.UploadArtifactRequest {
		return &registryv1.UploadArtifactRequest{Part: &registryv1.UploadArtifactRequest_Chunk{Chunk: make([]byte, n)}}
	}
	for name, c := range map[string]struct {
		messages []*registryv1.UploadArtifactRequest
		kind     fault.Kind
		reason   string
	}{
		"nothing":             {nil, fault.Invalid, "UPLOAD_MALFORMED"},
		"a chunk first":       {[]*registryv1.UploadArtifactRequest{chunk(1)}, fault.Invalid, "UPLOAD_MALFORMED"},
		"two headers":         {[]*registryv1.UploadArtifactRequest{head(), chunk(1), head()}, fault.Invalid, "UPLOAD_MALFORMED"},
		"an empty message":    {[]*registryv1.UploadArtifactRequest{{}}, fault.Invalid, ""},
		"a chunk above 1 MiB": {[]*registryv1.UploadArtifactRequest{head(), chunk(1<<20 + 1)}, fault.TooLarge, "CHUNK_TOO_LARGE"},
		"a chunk of 5 MiB":    {[]*registryv1.UploadArtifactRequest{head(), chunk(5 << 20)}, fault.TooLarge, ""},
		"4 MiB and a byte":    {[]*registryv1.UploadArtifactRequest{head(), chunk(1 << 20), chunk(1 << 20), chunk(1 << 20), chunk(1 << 20), chunk(1)}, fault.TooLarge, "FILE_TOO_LARGE"},
	} {
		stream := must[registryv1.ArtifactService_UploadArtifactClient](t)(h.artifact.UploadArtifact(admin(t)))
		for _, m := range c.messages {
			if stream.Send(m) != nil {
				break
			}
		}
		_, err := closeUpload(stream)
		refused(t, err, c.kind, c.reason)
		require.Len(t, kept(t, h), 1, name)
	}
}

func TestAnUploadThatBreaksOffLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, sha := range map[string]string{"announced": digest(noise(1 << 20)), "not announced": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, sqlite(t), nil)
			furnish(t, h)
			ctx, hangUp := context.WithCancel(admin(t))
			stream := must[registryv1.ArtifactService_UploadArtifactClient](t)(h.artifact.UploadArtifact(ctx))
			require.NoError(t, stream.Send(&registryv1.UploadArtifactRequest{Part: &registryv1.UploadArtifactRequest_Header{Header: &registryv1.UploadArtifactHeader{
				Model: chat, Version: 2, File: &registryv1.ArtifactFile{Path: "new.bin", Sha256: sha},
			}}}))
			for range 4 {
				require.NoError(t, stream.Send(&registryv1.UploadArtifactRequest{Part: &registryv1.UploadArtifactRequest_Chunk{Chunk: noise(200_000)}}))
			}
			testkit.Eventually(t, testkit.Patience, func() bool { return len(kept(t, h)) > 1 }, "the upload has begun")
			hangUp()
			testkit.Eventually(t, testkit.Patience, func() bool { return len(kept(t, h)) == 1 }, "what was begun is gone")
			must[*registryv1.ArtifactFile](t)(h.upload(admin(t), chat, 2, "new.bin", noise(1<<20)))
		})
	}
}

// While a file is on its way its version may be finalized, or the uploader may lose the right to write.
func TestAnUploadIsJudgedAgainAtItsEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile func(h *house)
		kind      fault.Kind
		reason    string
	}{
		"finalized": {func(h *house) { finalize(h.t, h, admin(h.t), chat, 2) }, fault.FailedPrecondition, "VERSION_IMMUTABLE"},
		"revoked":   {func(h *house) { h.revoke("bob", modelNamed(chat), createModelVersion) }, fault.PermissionDenied, "MISSING_PRIVILEGE"},
		"deleted": {func(h *house) {
			must[*registryv1.DeleteModelResponse](h.t)(h.model.DeleteModel(admin(h.t), &registryv1.DeleteModelRequest{FullName: chat}))
		}, fault.NotFound, ""},
		"made again": {func(h *house) {
			ctx := admin(h.t)
			must[*registryv1.DeleteModelResponse](h.t)(h.model.DeleteModel(ctx, &registryv1.DeleteModelRequest{FullName: chat}))
			must[*registryv1.CreateModelResponse](h.t)(h.model.CreateModel(ctx, &registryv1.CreateModelRequest{FullName: chat}))
			for range 2 {
				newVersion(h.t, h, ctx, chat, "custom")
			}
			h.grant("bob", modelNamed(chat), createModelVersion)
		}, fault.Aborted, "MODEL_REPLACED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, sqlite(t), nil)
			furnish(t, h)
			before := len(kept(t, h))
			stream := must[registryv1.ArtifactService_UploadArtifactClient](t)(h.artifact.UploadArtifact(bob(t, h)))
			require.NoError(t, stream.Send(&registryv1.UploadArtifactRequest{Part: &registryv1.UploadArtifactRequest_Header{Header: &registryv1.UploadArtifactHeader{
				Model: chat, Version: 2, File: &registryv1.ArtifactFile{Path: "new.bin"},
			}}}))
			require.NoError(t, stream.Send(&registryv1.UploadArtifactRequest{Part: &registryv1.UploadArtifactRequest_Chunk{Chunk: noise(1000)}}))
			testkit.Eventually(t, testkit.Patience, func() bool { return len(kept(t, h)) > before }, "the upload has begun")
			c.meanwhile(h)
			_, err := closeUpload(stream)
			refused(t, err, c.kind, c.reason)
		})
	}
}

func TestAFileUploadedAgainReplacesTheFirst(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), nil)
	furnish(t, h)
	ctx := admin(t)
	must[*registryv1.ArtifactFile](t)(h.upload(ctx, chat, 2, "weights.bin", []byte("better weights")))
	must[*registryv1.ArtifactFile](t)(h.upload(ctx, chat, 2, "u\u0308.bin", []byte("x")))
	must[*registryv1.ArtifactFile](t)(h.upload(ctx, chat, 2, "ü.bin", []byte("y")))
	v := finalize(t, h, ctx, chat, 2)
	require.Len(t, v.GetFiles(), 2, "two spellings of one name are one file")
	_, got, err := h.download(ctx, chat, 2, "weights.bin", 0)
	require.NoError(t, err)
	require.Equal(t, "better weights", string(got))
	_, got, err = h.download(ctx, chat, 1, "weights.bin", 0)
	require.NoError(t, err)
	require.Equal(t, "some weights", string(got), "another version is not touched")
}

func TestDamagedBytesAreNotHandedOutInSilence(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), nil)
	furnish(t, h)
	sha := digest([]byte("some weights"))
	path := filepath.Join(h.dir, "blobs", "sha256", sha[:2], sha)
	require.NoError(t, os.WriteFile(path, []byte("some Weights"), 0o600))
	_, _, err := h.download(admin(t), chat, 1, "weights.bin", 0)
	refused(t, err, fault.DataLoss, "CONTENT_DAMAGED", `"weights.bin"`)
	require.NoError(t, os.WriteFile(path, []byte("some"), 0o600))
	_, _, err = h.download(admin(t), chat, 1, "weights.bin", 0)
	refused(t, err, fault.DataLoss, "CONTENT_DAMAGED")
	require.NoError(t, os.Remove(path))
	_, _, err = h.download(admin(t), chat, 1, "weights.bin", 0)
	refused(t, err, fault.DataLoss, "CONTENT_MISSING")
}
