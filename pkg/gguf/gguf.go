// Package gguf reads the header of a GGUF model file: enough to know what a model is, and what it will weigh in
// memory, before a single weight is loaded.
//
// A header arrives from outside (an upload, a download, a damaged disk), so the reader trusts none of its numbers. Every
// length is checked against what is left of the file before memory is taken for it, arrays of tokens are counted and
// skipped rather than kept, and every rule the engine enforces (block sizes, alignment, contiguous tensor offsets, data
// that ends inside the file) is enforced here first, where a mistake is an error with an offset and not a dead process.
//
// The ready-made github.com/gpustack/gguf-parser-go was tried at v0.28.1: it held up well on damaged files, but it reads
// paths and URLs only (the registry has a blob, an io.ReaderAt), and it brings a dozen modules (an HTTP client, gonum,
// x/tools) into every service for what are a few hundred lines here.
//
// All errors are fault.Error: Invalid with reason GGUF_DAMAGED or GGUF_UNSUPPORTED when the file is at fault, and
// whatever the reader returned, as Unavailable, when the reading itself failed.
package gguf

import (
	"io"
	"os"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Reasons carried by the errors of this package.
const (
	ReasonDamaged     = "GGUF_DAMAGED"
	ReasonUnsupported = "GGUF_UNSUPPORTED"
)

// Header is what stands before the tensor data of one GGUF file. It is immutable after Read.
type Header struct {
	Version    uint32
	Metadata   map[string]Value
	Tensors    []Tensor
	Alignment  uint64 // bytes, a power of two
	DataOffset int64  // bytes from the start of the file to the first tensor; equals FileSize when there are none
	FileSize   int64  // bytes
}

// Tensor is one entry of the tensor table.
type Tensor struct {
	Name   string
	Dims   []uint64 // 1 to 4 extents, innermost (the row length) first; a scalar has none
	Type   Type
	Offset uint64 // bytes from Header.DataOffset
	Bytes  uint64 // exact size from the block format, padding not included
}

// Elements is the number of weights in the tensor.
func (t Tensor) Elements() uint64 {
	n := uint64(1)
	for _, d := range t.Dims {
		n *= d
	}
	return n
}

// TensorBytes is the exact size of all tensors, padding not included.
func (h *Header) TensorBytes() uint64 {
	var n uint64
	for _, t := range h.Tensors {
		n += t.Bytes
	}
	return n
}

// Parameters is the number of weights in all tensors.
func (h *Header) Parameters() uint64 {
	var n uint64
	for _, t := range h.Tensors {
		n += t.Elements()
	}
	return n
}

// Open reads the header of the file at path.
func Open(path string) (*Header, error) {
	const op = "gguf.Open"
	f, err := os.Open(path)
	if err != nil {
		kind := fault.Unavailable
		if os.IsNotExist(err) {
			kind = fault.NotFound
		}
		return nil, fault.Wrap(op, kind, err, "the model file cannot be opened")
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fault.Wrap(op, fault.Unavailable, err, "the model file cannot be read")
	}
	return Read(f, st.Size())
}

// Read reads the header of a file of size bytes. It reads sequentially and stops at the first tensor's data; memory
// taken is bounded by the limits of this package and by size, whatever the file claims.
func Read(r io.ReaderAt, size int64) (*Header, error) {
	p := newParser(r, size)
	h := &Header{Metadata: map[string]Value{}, FileSize: size}
	tensors, keys, err := p.preamble(h)
	if err != nil {
		return nil, err
	}
	if err := p.metadata(h, keys); err != nil {
		return nil, err
	}
	if err := p.tensors(h, tensors); err != nil {
		return nil, err
	}
	if err := p.layout(h); err != nil {
		return nil, err
	}
	return h, nil
}
