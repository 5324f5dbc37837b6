package wal

import (
	"encoding/binary"
	"hash/crc32"
)

type kind uint8

const (
	// kindBegin opens a request: seq is its number among admitted requests.
	kindBegin kind = 1
	// kindEnd closes one: seq numbers the rows, ref is the position of the BEGIN.
	kindEnd kind = 2
	// kindWhole is both at once, for a request that was refused where it stood: seq as in END, no ref.
	kindWhole kind = 3
	// kindGap is what Repair leaves in place of damage: its length covers it.
	kindGap kind = 4
)

const (
	headerSize = 32
	// MaxPayloadBytes bounds one record's payload. The edge caps bodies far below it.
	MaxPayloadBytes = 1<<lengthBits - 1
)

// castagnoli is a table of constants; crc32c has instructions for it on amd64 and arm64.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Record is a payload on its way into the log. It keeps room for the header before the payload, so that one write carries
// both and a 400 KB prompt is not copied once more. Get one from Log.Record; Begin, End and Whole consume it.
type Record struct{ buf []byte }

// Append adds p to the payload.
func (r *Record) Append(p ...byte) { r.buf = append(r.buf, p...) }

// AppendWith lets an encoder write straight into the record: encode appends to the slice it is given and returns it, as
// proto.MarshalOptions.MarshalAppend does. On an error the payload is as before.
func (r *Record) AppendWith(encode func(dst []byte) ([]byte, error)) error {
	grown, err := encode(r.buf)
	if err != nil {
		return err
	}
	r.buf = grown
	return nil
}

// Payload is what has been appended so far.
func (r *Record) Payload() []byte { return r.buf[headerSize:] }

func (r *Record) reset() {
	if cap(r.buf) < headerSize {
		r.buf = make([]byte, headerSize, 4<<10)
	}
	r.buf = r.buf[:headerSize]
}

// header is the fixed part of a record as the reader sees it. It has a checksum of its own, so that a search for the next whole
// record asks a payload's checksum only where a header of this log stands.
type header struct {
	length  uint32 // below 1<<28; the kind shares its word
	kind    kind
	payload uint32 // checksum of the payload
	synced  uint32
	seq     uint64
	ref     Position
}

func (h header) size() int64 { return headerSize + int64(h.length) }

const lengthBits = 28

func (h header) put(dst []byte, seed uint32) {
	_ = dst[headerSize-1]
	binary.LittleEndian.PutUint32(dst[0:], uint32(h.kind)<<lengthBits|h.length)
	binary.LittleEndian.PutUint32(dst[4:], h.payload)
	binary.LittleEndian.PutUint32(dst[12:], h.synced)
	binary.LittleEndian.PutUint64(dst[16:], h.seq)
	binary.LittleEndian.PutUint64(dst[24:], uint64(h.ref))
	binary.LittleEndian.PutUint32(dst[8:], checksumHeader(seed, dst))
}

// parseHeader reads a header that may be any bytes; ok says that it is one of this log and that its record fits into rest bytes.
func parseHeader(src []byte, seed uint32, rest int64) (h header, ok bool) {
	_ = src[headerSize-1]
	word := binary.LittleEndian.Uint32(src[0:])
	h = header{
		length:  word & (1<<lengthBits - 1),
		kind:    kind(word >> lengthBits),
		payload: binary.LittleEndian.Uint32(src[4:]),
		synced:  binary.LittleEndian.Uint32(src[12:]),
		seq:     binary.LittleEndian.Uint64(src[16:]),
		ref:     Position(binary.LittleEndian.Uint64(src[24:])),
	}
	return h, h.kind >= kindBegin && h.kind <= kindGap && h.size() <= rest &&
		binary.LittleEndian.Uint32(src[8:]) == checksumHeader(seed, src)
}

// checksum is seeded with the log's own number. The payload's is taken before the log's lock is; the header's under it.
func checksum(seed uint32, payload []byte) uint32 {
	return crc32.Update(seed, castagnoli, payload)
}

func checksumHeader(seed uint32, head []byte) uint32 {
	crc := crc32.Update(seed, castagnoli, head[0:8])
	return crc32.Update(crc, castagnoli, head[12:headerSize])
}
