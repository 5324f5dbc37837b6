package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"unicode/utf8"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Limits no honest file comes near; a file beyond one is damaged.
const (
	maxKeys      = 1 << 16
	maxTensors   = 1 << 17
	maxKey       = 1<<16 - 1 // the specification's own limit
	maxName      = 63        // the engine's: 64 bytes with the terminator
	maxText      = 4 << 20   // a chat template is the longest string; tens of KiB in practice
	maxDims      = 4
	maxAlignment = 1 << 20
	maxKept      = 64 << 20 // memory for all keys, strings and kept arrays together
	keptArray    = 4096     // elements; per-layer arrays have one per layer
	valueBytes   = 80       // what one kept element takes
	minKeyBytes  = 8 + 1 + 4 + 1
	minTensor    = 8 + 1 + 4 + 4 + 8
)

const opRead = "gguf.Read"

// parser reads the header front to back and knows where it is.
type parser struct {
	r    *bufio.Reader
	size int64
	pos  int64
	kept int64 // bytes of memory taken so far
	buf  [8]byte
}

func newParser(r io.ReaderAt, size int64) *parser {
	return &parser{r: bufio.NewReaderSize(io.NewSectionReader(r, 0, max(size, 0)), 64<<10), size: max(size, 0)}
}

// damaged says what is wrong and where.
func (p *parser) damaged(format string, args ...any) error {
	return fault.New(opRead, fault.Invalid, "damaged GGUF file at byte %d: "+format, append([]any{p.pos}, args...)...).WithReason(ReasonDamaged)
}

func unsupported(format string, args ...any) error {
	return fault.New(opRead, fault.Invalid, format, args...).WithReason(ReasonUnsupported)
}

// failed turns a reader's error into ours: the end of the file is the file's fault, anything else the reader's.
func (p *parser) failed(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return p.damaged("the file ends inside the header (%d bytes long)", p.size)
	}
	return fault.Wrap(opRead, fault.Unavailable, err, "the model file cannot be read")
}

func (p *parser) left() int64 { return p.size - p.pos }

// number reads a little-endian unsigned integer of width 1, 2, 4 or 8 bytes.
func (p *parser) number(width int64) (uint64, error) {
	clear(p.buf[:])
	n, err := io.ReadFull(p.r, p.buf[:width])
	if err != nil {
		return 0, p.failed(err)
	}
	p.pos += int64(n)
	return binary.LittleEndian.Uint64(p.buf[:]), nil
}

func (p *parser) skip(n int64) error {
	if n > p.left() {
		return p.damaged("%d bytes are announced but %d are left", n, p.left())
	}
	for n > 0 { // Discard takes an int; stay within it on every platform
		k, err := p.r.Discard(int(min(n, 1<<30)))
		p.pos += int64(k)
		n -= int64(k)
		if err != nil {
			return p.failed(err)
		}
	}
	return nil
}

// length reads the length of a string and checks it against a limit and against what is left of the file.
func (p *parser) length(limit int64, what string) (int64, error) {
	n, err := p.number(8)
	if err != nil {
		return 0, err
	}
	if n > uint64(limit) || int64(n) > p.left() {
		return 0, p.damaged("a %s of %d bytes (limit %d, %d bytes left)", what, n, limit, p.left())
	}
	return int64(n), nil
}

func (p *parser) text(limit int64, what string) (string, error) {
	n, err := p.length(limit, what)
	if err != nil {
		return "", err
	}
	if err := p.keep(n); err != nil {
		return "", err
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(p.r, b); err != nil {
		return "", p.failed(err)
	}
	p.pos += n
	return string(b), nil
}

// keep accounts for memory before it is taken: many strings of a believable length are still an unbelievable header.
func (p *parser) keep(n int64) error {
	if p.kept += n; p.kept > maxKept {
		return p.damaged("a header of more than %d MiB", maxKept>>20)
	}
	return nil
}

// preamble reads magic, version and the two counts.
func (p *parser) preamble(h *Header) (tensors, keys int, err error) {
	magic, err := p.number(4)
	if err != nil {
		return 0, 0, err
	}
	if magic != 0x46554747 { // "GGUF"
		return 0, 0, fault.New(opRead, fault.Invalid, "not a GGUF file: it does not begin with GGUF").WithReason(ReasonDamaged)
	}
	version, err := p.number(4)
	if err != nil {
		return 0, 0, err
	}
	h.Version = uint32(version)
	switch {
	case version != 0 && version&0xffff == 0:
		return 0, 0, unsupported("this GGUF file is big-endian; only little-endian files are supported")
	case version != 2 && version != 3:
		return 0, 0, unsupported("GGUF version %d is not supported; versions 2 and 3 are", version)
	}
	count := func(what string, limit, each int64) (int, error) {
		n, err := p.number(8)
		if err != nil {
			return 0, err
		}
		if n > uint64(limit) || int64(n) > p.left()/each {
			return 0, p.damaged("%d %s are announced, more than the file can hold", n, what)
		}
		return int(n), nil
	}
	if tensors, err = count("tensors", maxTensors, minTensor); err != nil {
		return 0, 0, err
	}
	keys, err = count("metadata keys", maxKeys, minKeyBytes)
	return tensors, keys, err
}

// metadata reads the key-value pairs.
func (p *parser) metadata(h *Header, keys int) error {
	for range keys {
		key, err := p.text(maxKey, "key")
		if err == nil {
			err = p.keep(valueBytes)
		}
		if err != nil {
			return err
		}
		if key == "" || !utf8.ValidString(key) {
			return p.damaged("an empty or unreadable key")
		}
		if _, twice := h.Metadata[key]; twice {
			return p.damaged("key %q appears twice", key)
		}
		tag, err := p.number(4)
		if err != nil {
			return err
		}
		v, err := p.value(key, valueType(tag))
		if err != nil {
			return err
		}
		h.Metadata[key] = v
	}
	h.Alignment = 32
	if v, ok := h.Metadata["general.alignment"]; ok {
		n, isInt := v.Uint()
		if !isInt || v.kind != typeUint32 || n == 0 || n&(n-1) != 0 || n > maxAlignment {
			return p.damaged("general.alignment is not a power of two")
		}
		h.Alignment = n
	}
	return nil
}

func (p *parser) value(key string, t valueType) (Value, error) {
	if w := t.width(); w > 0 {
		raw, err := p.number(w)
		return Value{kind: t, bits: extend(t, raw)}, err
	}
	switch t {
	case typeString:
		s, err := p.text(maxText, "string")
		return Value{kind: t, text: s}, err
	case typeArray:
		return p.array(key)
	}
	return Value{}, p.damaged("key %q has the unknown type %d", key, t)
}

// array reads an array's elements when they are few numbers, and steps over them otherwise.
func (p *parser) array(key string) (Value, error) {
	tag, err := p.number(4)
	if err != nil {
		return Value{}, err
	}
	n, err := p.number(8)
	if err != nil {
		return Value{}, err
	}
	of := valueType(tag)
	each := of.width()
	if of == typeString {
		each = 8 // at least its length
	}
	if each == 0 {
		return Value{}, p.damaged("array %q has elements of the unknown type %d", key, tag)
	}
	if n > math.MaxInt64 || int64(n) > p.left()/each {
		return Value{}, p.damaged("array %q of %d elements does not fit into the %d bytes left", key, n, p.left())
	}
	v := Value{kind: typeArray, count: int64(n)}
	if of == typeString {
		for range v.count {
			k, err := p.length(maxText, "string")
			if err == nil {
				err = p.skip(k)
			}
			if err != nil {
				return Value{}, err
			}
		}
		return v, nil
	}
	if v.count > keptArray {
		return v, p.skip(v.count * each)
	}
	if err := p.keep(v.count * valueBytes); err != nil {
		return Value{}, err
	}
	v.items = make([]Value, v.count)
	for i := range v.items {
		raw, err := p.number(each)
		if err != nil {
			return Value{}, err
		}
		v.items[i] = Value{kind: of, bits: extend(of, raw)}
	}
	return v, nil
}
