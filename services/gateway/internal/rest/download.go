package rest

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

// download streams a file from the registry. Its length and hash come in the headers, so that the client can tell whether
// it has the whole; a download that broke off is resumed with `Range: bytes=N-`. A failure after the first byte breaks the
// connection, because nothing else can tell the client that what it has is not the file.
func (a *API) download(w http.ResponseWriter, r *http.Request, f artifactFile) error {
	const op = "rest.download"
	offset, ranged := offsetOf(r.Header)
	stream, err := a.artifacts.DownloadArtifact(r.Context(), &registryv1.DownloadArtifactRequest{
		Model: f.model, Version: f.version, Path: f.path, Offset: offset,
	})
	var first *registryv1.DownloadArtifactResponse
	if err == nil {
		first, err = stream.Recv()
	}
	switch {
	case ranged && offset > 0 && fault.Is(err, fault.Invalid):
		return fault.Wrap(op, fault.Invalid, err, "the file has no byte %d", offset).WithReason(reasonRange)
	case err != nil:
		return err
	case first.GetFile() == nil:
		return fault.New(op, fault.Internal, "the registry sent no description first")
	}
	file := first.GetFile()
	if describe(w.Header(), r, file) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	code := http.StatusOK
	if ranged && file.GetSizeBytes() > 0 {
		if offset >= file.GetSizeBytes() {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", file.GetSizeBytes()))
			return fault.New(op, fault.Invalid, "the file has no byte %d", offset).WithReason(reasonRange)
		}
		code = http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, file.GetSizeBytes()-1, file.GetSizeBytes()))
	}
	w.Header().Set("Content-Length", strconv.FormatInt(file.GetSizeBytes()-offset, 10))
	w.WriteHeader(code)
	if r.Method == http.MethodHead {
		return nil
	}
	if err := drain(w, stream); err != nil {
		NoteError(r.Context(), err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// describe writes what is known of the file, and reports whether the client has it already.
func describe(h http.Header, r *http.Request, file *registryv1.ArtifactFile) (same bool) {
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Accept-Ranges", "bytes")
	h.Set("Cache-Control", "private, no-cache")
	sum, err := hex.DecodeString(file.GetSha256())
	if err != nil || len(sum) != 32 {
		return false
	}
	etag := `"` + file.GetSha256() + `"`
	h.Set("ETag", etag)
	h.Set("X-Slipway-Sha256", file.GetSha256())
	h.Set("Digest", "sha-256="+base64.StdEncoding.EncodeToString(sum))
	for candidate := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if c := strings.TrimPrefix(strings.TrimSpace(candidate), "W/"); c == etag || c == "*" {
			return true
		}
	}
	return false
}

// offsetOf reads `Range: bytes=N-`. Other ranges are answered with the whole file, as HTTP allows; so is a range that is
// wanted only of a version of the file we would have to look up first.
func offsetOf(h http.Header) (offset int64, ranged bool) {
	spec, ok := strings.CutPrefix(h.Get("Range"), "bytes=")
	if !ok || h.Get("If-Range") != "" {
		return 0, false
	}
	from, open := strings.CutSuffix(spec, "-")
	n, err := strconv.ParseInt(from, 10, 64)
	if !open || err != nil || n < 0 {
		return 0, false
	}
	return n, true
}

func drain(w http.ResponseWriter, stream interface {
	Recv() (*registryv1.DownloadArtifactResponse, error)
},
) error {
	control := http.NewResponseController(w)
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		_ = control.SetWriteDeadline(time.Now().Add(bodyWithin)) // a writer that cannot is a test's
		if _, err := w.Write(m.GetChunk()); err != nil {
			return err
		}
	}
}
