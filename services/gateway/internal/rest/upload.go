package rest

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

// chunkBytes is the size of the pieces an upload is sent in.
const chunkBytes = 256 << 10

// upload streams the body to the registry, which stores it when length and hash are what the headers say. A body that
// breaks off is never finished there: the call is canceled, and nothing stays behind.
func (a *API) upload(w http.ResponseWriter, r *http.Request, f artifactFile) error {
	const op = "rest.upload"
	sum, err := sumOf(r.Header)
	if err != nil {
		return err
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return fault.New(op, fault.Invalid, "a file must not be encoded; send it without Content-Encoding").WithReason(reasonEncoding)
	}
	large := fault.New(op, fault.TooLarge, "a file may have at most %d bytes", a.o.MaxArtifact).WithReason("ARTIFACT_TOO_LARGE")
	body := r.Body
	if a.o.MaxArtifact > 0 {
		if r.ContentLength > a.o.MaxArtifact {
			return large
		}
		body = http.MaxBytesReader(w, body, a.o.MaxArtifact)
	}
	stream, err := a.artifacts.UploadArtifact(r.Context())
	if err != nil {
		return err
	}
	err = stream.Send(&registryv1.UploadArtifactRequest{Part: &registryv1.UploadArtifactRequest_Header{Header: &registryv1.UploadArtifactHeader{
		Model: f.model, Version: f.version, SizeKnown: r.ContentLength >= 0,
		File: &registryv1.ArtifactFile{Path: f.path, Sha256: sum, SizeBytes: max(0, r.ContentLength)},
	}}})
	if err == nil {
		err = pump(w, body, stream)
	}
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return large
	case err != nil && !errors.Is(err, io.EOF): // io.EOF: the registry has ended the call, and says why below
		return fault.Wrap(op, bodyKind(r, err), err, "the file did not arrive whole").WithReason("BODY_INCOMPLETE")
	}
	stored, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	out, err := marshaler().Marshal(stored)
	if err != nil {
		return fault.Wrap(op, fault.Internal, err, "internal error")
	}
	_, _ = w.Write(out) // the file is stored, whether or not the client hears of it
	return nil
}

// pump sends the body in chunks. io.EOF means that the registry does not want more.
func pump(w http.ResponseWriter, body io.Reader, stream interface {
	Send(*registryv1.UploadArtifactRequest) error
},
) error {
	control := http.NewResponseController(w)
	for {
		_ = control.SetReadDeadline(time.Now().Add(bodyWithin)) // a writer that cannot is a test's
		chunk := make([]byte, chunkBytes)                       // gRPC may keep what it is given
		n, err := fill(body, chunk)
		if n > 0 {
			if serr := stream.Send(&registryv1.UploadArtifactRequest{Part: &registryv1.UploadArtifactRequest_Chunk{Chunk: chunk[:n]}}); serr != nil {
				return serr
			}
		}
		if errors.Is(err, io.EOF) {
			return control.SetReadDeadline(time.Time{})
		}
		if err != nil {
			return err
		}
	}
}

// fill reads until the chunk is full or the body ends. Unlike io.ReadFull it does not call an early end of the chunk
// unexpected: only the body's own word counts, which says so when the client broke off.
func fill(r io.Reader, chunk []byte) (n int, err error) {
	for n < len(chunk) && err == nil {
		var m int
		m, err = r.Read(chunk[n:])
		n += m
	}
	return n, err
}
