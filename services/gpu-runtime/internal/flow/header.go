package flow

import (
	"context"
	"errors"
	"io"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/gguf"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/cache"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/peer"
)

// readModel reads a model's shape from the header of its file: from the cache when it is there, else from the beginning of
// a download that is broken off after the header, so that a model of many gigabytes is judged by its first megabyte.
func (n *Node) readModel(ctx context.Context, a peer.Artifact) (gguf.Model, error) {
	ctx, span := n.Tracer.Start(ctx, "read model header")
	defer span.End()
	h, err := n.readHeader(ctx, a)
	if err != nil {
		return gguf.Model{}, failSpan(span, err)
	}
	m, err := h.Model()
	if err != nil {
		return gguf.Model{}, failSpan(span, err)
	}
	if m.Shards > 1 {
		return gguf.Model{}, failSpan(span, fault.New("flow.readModel", fault.Unimplemented, "the model is split into %d files; only models of one file can be loaded", m.Shards))
	}
	return m, nil
}

func (n *Node) readHeader(ctx context.Context, a peer.Artifact) (*gguf.Header, error) {
	if h, ok := n.Cache.Find(cache.File{SHA256: a.SHA256, Size: a.Size}); ok {
		defer h.Release()
		return gguf.Open(h.Path)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	defer func() { _ = r.Close() }() // lets the download end
	go func() { _ = w.CloseWithError(n.Registry.Download(ctx, a, 0, w)) }()
	return gguf.Read(&front{r: r}, a.Size)
}

// front reads a stream as a file whose reader goes forward only, which is how the header is read.
type front struct {
	r   io.Reader
	pos int64
}

func (f *front) ReadAt(p []byte, off int64) (int, error) {
	if off != f.pos {
		return 0, fault.New("flow.front", fault.Internal, "internal error")
	}
	n, err := io.ReadFull(f.r, p)
	f.pos += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}
