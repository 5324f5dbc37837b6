package modelfile

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strconv"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// Fields of onnx.ModelProto (onnx/onnx.proto3), and the kinds of Protocol Buffers' wire format.
const (
	onnxIRVersion = 1
	onnxProducer  = 2
	onnxGraph     = 7

	wireVarint, wireFixed64, wireBytes, wireFixed32 = 0, 1, 2, 5

	maxONNXText = 4096
)

// inspectONNX walks the outermost fields of every .onnx file: an ONNX model is one message, which must end where the file
// ends and hold a graph. What is inside the graph is for the engine to judge.
func inspectONNX(ctx context.Context, files []domain.ArtifactFile, open Open) (map[string]string, error) {
	models := withEnding(files, ".onnx")
	if len(models) == 0 {
		return nil, fault.New("registry.modelfile.Inspect", fault.FailedPrecondition, "a version of format onnx needs a file that ends in .onnx").WithReason("FILES_MISSING")
	}
	var first map[string]string
	for _, f := range models {
		if err := look(ctx, f, open, func(r io.ReaderAt) error {
			properties, err := readONNX(r, f)
			if first == nil {
				first = properties
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	return first, nil
}

func readONNX(r io.ReaderAt, f domain.ArtifactFile) (map[string]string, error) {
	w := wire{size: f.Size, source: r}
	w.seek(0)
	properties := map[string]string{"file": f.Path}
	graph := false
	for w.pos < w.size && w.err == nil {
		tag := w.varint()
		field, kind := tag>>3, tag&7
		switch kind {
		case wireVarint:
			if n := w.varint(); field == onnxIRVersion {
				properties["ir_version"] = strconv.FormatUint(n, 10)
			}
		case wireFixed64:
			w.skip(8)
		case wireFixed32:
			w.skip(4)
		case wireBytes:
			n := w.varint()
			switch {
			case field == onnxProducer && n <= maxONNXText:
				properties["producer"] = w.text(n)
			case field == onnxGraph && n > 0:
				graph = true
				w.skip(n)
			default:
				w.skip(n)
			}
		default:
			return nil, refuse(f, "it is no ONNX model: an unknown kind of field at byte %d", w.pos)
		}
	}
	switch {
	case errors.Is(w.err, io.ErrUnexpectedEOF):
		return nil, refuse(f, "it is no ONNX model, or cut short: a field goes beyond its end at byte %d", w.size)
	case w.err != nil:
		return nil, fault.Wrap("registry.modelfile.Inspect", fault.Unavailable, w.err, "the file cannot be read")
	case !graph || properties["ir_version"] == "":
		return nil, refuse(f, "it is no ONNX model: it has no graph")
	}
	return properties, nil
}

// wire reads Protocol Buffers' outermost fields, and remembers the first error.
type wire struct {
	source io.ReaderAt
	size   int64
	pos    int64
	buf    *bufio.Reader
	err    error
}

func (w *wire) seek(pos int64) {
	w.pos = pos
	w.buf = bufio.NewReaderSize(io.NewSectionReader(w.source, pos, w.size-pos), 4096)
}

func (w *wire) fail(err error) {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if w.err == nil {
		w.err = err
	}
}

// ReadByte counts what binary.ReadUvarint takes.
func (w *wire) ReadByte() (byte, error) {
	b, err := w.buf.ReadByte()
	switch {
	case err == nil:
		w.pos++
	case !errors.Is(err, io.EOF):
		w.fail(err)
	}
	return b, err
}

func (w *wire) varint() uint64 {
	if w.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(w)
	if err != nil {
		w.fail(io.ErrUnexpectedEOF) // cut short, or more than 64 bits, unless ReadByte knows better
	}
	return n
}

func (w *wire) skip(n uint64) {
	if w.err != nil {
		return
	}
	if n > uint64(w.size-w.pos) { // pos never passes size
		w.fail(io.ErrUnexpectedEOF)
		return
	}
	w.seek(w.pos + int64(n)) // at most size
}

func (w *wire) text(n uint64) string {
	if w.err != nil || n > uint64(w.size-w.pos) { // pos never passes size
		w.fail(io.ErrUnexpectedEOF)
		return ""
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(w.buf, b); err != nil {
		w.fail(err)
	}
	w.pos += int64(n) // at most maxONNXText
	return string(b)
}
