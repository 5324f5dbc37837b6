package gguf_test

import (
	"bytes"
	"encoding/binary"
	"math"
)

// file writes small GGUF files for tests, honest or not: whatever is put in comes out, unchecked.
type file struct {
	version      uint32
	tensorCount  *uint64 // claims another number than there are
	keyCount     *uint64
	keys         bytes.Buffer
	keysWritten  uint64
	infos        bytes.Buffer
	infosWritten uint64
	data         []byte
	align        int
}

func newFile() *file { return &file{version: 3, align: 32} }

// model is a file with the few keys a language model needs, and one tensor.
func model() *file {
	f := newFile().text("general.architecture", "toy").u32("toy.block_count", 2).u32("toy.embedding_length", 64).
		u32("toy.context_length", 128).u32("toy.attention.head_count", 4)
	return f.tensor("w", 8, []uint64{64, 2}, 0, make([]byte, 136))
}

func put(b *bytes.Buffer, v any) { _ = binary.Write(b, binary.LittleEndian, v) }

func putText(b *bytes.Buffer, s string) {
	put(b, uint64(len(s)))
	b.WriteString(s)
}

func (f *file) key(name string, tag uint32, payload ...any) *file {
	putText(&f.keys, name)
	put(&f.keys, tag)
	for _, p := range payload {
		if s, ok := p.(string); ok {
			putText(&f.keys, s)
			continue
		}
		put(&f.keys, p)
	}
	f.keysWritten++
	return f
}

func (f *file) u32(name string, v uint32) *file  { return f.key(name, 4, v) }
func (f *file) text(name, v string) *file        { return f.key(name, 8, v) }
func (f *file) f32(name string, v float32) *file { return f.key(name, 6, math.Float32bits(v)) }
func (f *file) array(name string, tag uint32, values ...uint32) *file {
	return f.key(name, 9, tag, uint64(len(values)), values)
}

func (f *file) tensor(name string, typ uint32, dims []uint64, offset uint64, data []byte) *file {
	putText(&f.infos, name)
	put(&f.infos, uint32(len(dims)))
	put(&f.infos, dims)
	put(&f.infos, typ)
	put(&f.infos, offset)
	f.infosWritten++
	for len(f.data)%f.align != 0 {
		f.data = append(f.data, 0)
	}
	f.data = append(f.data, data...)
	return f
}

func (f *file) bytes() []byte {
	var b bytes.Buffer
	b.WriteString("GGUF")
	put(&b, f.version)
	tensors, keys := f.infosWritten, f.keysWritten
	if f.tensorCount != nil {
		tensors = *f.tensorCount
	}
	if f.keyCount != nil {
		keys = *f.keyCount
	}
	put(&b, tensors)
	put(&b, keys)
	b.Write(f.keys.Bytes())
	b.Write(f.infos.Bytes())
	for b.Len()%f.align != 0 {
		b.WriteByte(0)
	}
	b.Write(f.data)
	return b.Bytes()
}
