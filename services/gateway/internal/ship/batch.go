package ship

import (
	"sync"

	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// batch is a monitor.v1.IngestRequest in its encoded form. The log holds rows in two halves whose concatenation is the row's
// encoding; so a row is shipped by copying it, and nobody between the request and the table takes it apart.
//
// Short rows are gathered in one buffer. A long payload gets a buffer of its own, which gRPC takes as it is: a prompt of 400 KB
// is read from the log once and not copied again on its way into the connection.
type batch struct {
	buf  []byte
	done mem.BufferSlice // what comes before buf
	sent int             // bytes in done
	rows int
	pool *pool
}

// long is the length from which a payload gets a buffer of its own.
const long = 16 << 10

// pool keeps the buffers of batches. gRPC gives one back when it has been written to the connection.
type pool struct{ buffers sync.Pool }

// Get implements mem.BufferPool; the shipper asks with no length and lets the buffer grow.
func (p *pool) Get(length int) *[]byte {
	if b, ok := p.buffers.Get().(*[]byte); ok && cap(*b) >= length {
		*b = (*b)[:length]
		return b
	}
	b := make([]byte, length, max(length, 16<<10))
	return &b
}

// Put implements mem.BufferPool.
func (p *pool) Put(b *[]byte) { p.buffers.Put(b) }

// The fields of IngestRequest; ship_test.go holds them against the generated type.
const (
	fieldSource  = 1
	fieldEpoch   = 2
	fieldFirst   = 3
	fieldRecords = 4
)

func newBatch(p *pool, source string, epoch, first uint64) *batch {
	b := protowire.AppendTag(*p.Get(0), fieldSource, protowire.BytesType)
	b = protowire.AppendString(b, source)
	b = protowire.AppendVarint(protowire.AppendTag(b, fieldEpoch, protowire.VarintType), epoch)
	b = protowire.AppendVarint(protowire.AppendTag(b, fieldFirst, protowire.VarintType), first)
	return &batch{buf: b, pool: p}
}

// add appends a record whose encoding is begin and then end.
func (b *batch) add(begin, end []byte) {
	b.buf = protowire.AppendTag(b.buf, fieldRecords, protowire.BytesType)
	b.buf = protowire.AppendVarint(b.buf, uint64(len(begin)+len(end)))
	for _, half := range [...][]byte{begin, end} {
		if len(half) < long {
			b.buf = append(b.buf, half...)
			continue
		}
		b.cut()
		own := b.pool.Get(len(half))
		copy(*own, half)
		b.push(own)
	}
	b.rows++
}

// cut finishes the buffer in use and begins another.
func (b *batch) cut() {
	if len(b.buf) > 0 {
		full := b.buf
		b.push(&full)
		b.buf = *b.pool.Get(0)
	}
}

func (b *batch) push(buf *[]byte) {
	b.sent += len(*buf)
	b.done = append(b.done, mem.NewBuffer(buf, b.pool))
}

func (b *batch) size() int { return b.sent + len(b.buf) }

// codec is gRPC's own, which also takes a message that is encoded already.
type codec struct{}

func (codec) Name() string { return protocodec.Name }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	if b, ok := v.(*batch); ok {
		b.cut()
		return b.done, nil
	}
	return encoding.GetCodecV2(protocodec.Name).Marshal(v)
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	return encoding.GetCodecV2(protocodec.Name).Unmarshal(data, v)
}
