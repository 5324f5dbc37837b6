package gguf

import (
	"math"
	"math/bits"
)

// tensors reads the tensor table.
func (p *parser) tensors(h *Header, count int) error {
	seen := make(map[string]struct{}, min(count, 1024))
	h.Tensors = make([]Tensor, 0, min(count, 1024))
	for range count {
		t, err := p.tensor()
		if err != nil {
			return err
		}
		if _, twice := seen[t.Name]; twice {
			return p.damaged("tensor %q appears twice", t.Name)
		}
		seen[t.Name] = struct{}{}
		h.Tensors = append(h.Tensors, t)
	}
	return nil
}

func (p *parser) tensor() (Tensor, error) {
	var t Tensor
	var err error
	if t.Name, err = p.text(maxName, "tensor name"); err != nil {
		return t, err
	}
	n, err := p.number(4)
	if err != nil {
		return t, err
	}
	if n > maxDims {
		return t, p.damaged("tensor %q has %d dimensions, more than %d", t.Name, n, maxDims)
	}
	for range n {
		d, err := p.number(8)
		if err != nil {
			return t, err
		}
		t.Dims = append(t.Dims, d)
	}
	tag, err := p.number(4)
	if err != nil {
		return t, err
	}
	t.Type = Type(tag)
	if t.Bytes, err = p.weigh(t); err != nil {
		return t, err
	}
	t.Offset, err = p.number(8)
	return t, err
}

// weigh is the exact size of a tensor in bytes: rows of whole blocks, with every multiplication watched.
func (p *parser) weigh(t Tensor) (uint64, error) {
	perBlock, blockBytes, ok := t.Type.Block()
	if !ok {
		return 0, p.damaged("tensor %q has the unknown format %d", t.Name, uint32(t.Type))
	}
	elements, row := uint64(1), uint64(1)
	for i, d := range t.Dims {
		if d == 0 || d > math.MaxInt64 {
			return 0, p.damaged("tensor %q has an extent of %d", t.Name, d)
		}
		if i == 0 {
			row = d
		}
		hi, lo := bits.Mul64(elements, d)
		if hi != 0 || lo > math.MaxInt64 {
			return 0, p.damaged("tensor %q is impossibly large", t.Name)
		}
		elements = lo
	}
	if row%perBlock != 0 {
		return 0, p.damaged("tensor %q has rows of %d elements, not a multiple of the %d of a %s block", t.Name, row, perBlock, t.Type)
	}
	hi, size := bits.Mul64(elements/perBlock, blockBytes)
	if hi != 0 || size > math.MaxInt64 {
		return 0, p.damaged("tensor %q is impossibly large", t.Name)
	}
	return size, nil
}

// layout checks that the tensors lie one after another, aligned, and end inside the file.
func (p *parser) layout(h *Header) error {
	if len(h.Tensors) == 0 {
		h.DataOffset = h.FileSize
		return nil
	}
	start := padded(uint64(p.pos), h.Alignment)
	if start > uint64(h.FileSize) {
		return p.damaged("the file ends before its tensor data begins (%d bytes long)", h.FileSize)
	}
	h.DataOffset = int64(start)
	room := uint64(h.FileSize) - start
	at := uint64(0)
	for _, t := range h.Tensors {
		if t.Offset != at {
			return p.damaged("tensor %q lies at offset %d where %d was expected", t.Name, t.Offset, at)
		}
		if at > room || t.Bytes > room-at {
			return p.damaged("tensor %q needs %d bytes but the file ends %d bytes into it: the file is cut short", t.Name, t.Bytes, room-min(at, room))
		}
		at = padded(at+t.Bytes, h.Alignment)
	}
	return nil
}

// padded rounds n up to a multiple of align, a power of two. n stays below 2^63 here, so nothing wraps.
func padded(n, align uint64) uint64 { return (n + align - 1) &^ (align - 1) }
