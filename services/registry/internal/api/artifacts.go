package api

import (
	"errors"
	"io"

	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/registry/internal/flow"
)

const (
	// maxChunk is the largest chunk of an upload, as the contract says.
	maxChunk = 1 << 20
	// sendChunk is the size of the chunks of a download: large enough that messages cost little beside their bytes, small
	// enough that many downloads at once stay in memory.
	sendChunk = 256 << 10
)

type artifacts struct {
	registryv1.UnimplementedArtifactServiceServer
	v Verbs
}

func (s artifacts) UploadArtifact(stream registryv1.ArtifactService_UploadArtifactServer) error {
	const op = "registry.UploadArtifact"
	first, err := stream.Recv()
	if errors.Is(err, io.EOF) {
		return fault.New(op, fault.Invalid, "the upload ended before its header").WithReason("UPLOAD_MALFORMED")
	}
	if err != nil {
		return err
	}
	h := first.GetHeader()
	if h == nil {
		return fault.New(op, fault.Invalid, "the first message of an upload is its header").WithReason("UPLOAD_MALFORMED")
	}
	upload := flow.Upload{Model: h.GetModel(), Version: h.GetVersion(), File: fileIn(h.GetFile()), SizeKnown: h.GetSizeKnown()}
	f, err := s.v.Models.UploadFile(stream.Context(), upload, func() ([]byte, error) {
		m, err := stream.Recv()
		switch {
		case err != nil:
			return nil, err
		case m.GetHeader() != nil:
			return nil, fault.New(op, fault.Invalid, "an upload has one header; a second file is another upload").WithReason("UPLOAD_MALFORMED")
		case len(m.GetChunk()) > maxChunk:
			return nil, fault.New(op, fault.TooLarge, "a chunk has %d bytes, at most %d", len(m.GetChunk()), maxChunk).WithReason("CHUNK_TOO_LARGE")
		}
		return m.GetChunk(), nil
	})
	if err != nil {
		return err
	}
	return stream.SendAndClose(&registryv1.UploadArtifactResponse{File: fileOut(f)})
}

func (s artifacts) DownloadArtifact(r *registryv1.DownloadArtifactRequest, stream registryv1.ArtifactService_DownloadArtifactServer) error {
	f, content, err := s.v.Models.DownloadFile(stream.Context(), r.GetModel(), r.GetVersion(), r.GetPath(), r.GetOffset())
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	if err := stream.Send(&registryv1.DownloadArtifactResponse{Part: &registryv1.DownloadArtifactResponse_File{File: fileOut(f)}}); err != nil {
		return err
	}
	for {
		buf := make([]byte, sendChunk) // a new one each time: a message is gRPC's once it has been sent
		n, err := io.ReadFull(content, buf)
		if n > 0 {
			if err := stream.Send(&registryv1.DownloadArtifactResponse{Part: &registryv1.DownloadArtifactResponse_Chunk{Chunk: buf[:n]}}); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return fault.Wrap("registry.DownloadArtifact", kindOfRead(err), err, "%s", textOfRead(err)).WithReason(fault.Reason(err))
		}
	}
}

// kindOfRead keeps what a reader knows, and calls everything else a store that does not answer: the bytes are not at fault.
func kindOfRead(err error) fault.Kind {
	if k := fault.KindOf(err); k != fault.Internal {
		return k
	}
	return fault.Unavailable
}

func textOfRead(err error) string {
	if fault.KindOf(err) != fault.Internal {
		return fault.Text(err)
	}
	return "the file cannot be read to its end"
}
