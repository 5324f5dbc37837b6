package wal

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Row is one finished request as the log knows it: two payloads that nobody has looked into.
type Row struct {
	Number uint64 // since the log was created; what Ack takes
	Epoch  uint64 // with the log's source, the name under which Seq counts
	Seq    uint64 // from 1 in each epoch, without holes
	Lost   bool   // damage took the row; there are no payloads
	Begin  []byte // empty for a request that was refused where it stood, or whose BEGIN was lost to damage
	End    []byte
}

// Reader walks the rows in order. It sees what has been synced and nothing else, and it may run while the log is written to
// and while segments behind it are deleted. One goroutine uses it at a time.
type Reader struct {
	log     *Log
	after   uint64 // rows up to here are skipped
	epoch   uint64
	base    uint64
	found   header // a row that waits until the lost ones before it have been told
	payload []byte // its
	ordinal uint32
	file    *os.File
	scan    *scanner
	begin   []byte
}

// Read returns a reader of the rows behind seq, which is usually the last acknowledged one. The rows behind the last
// acknowledged one are there for sure.
func (l *Log) Read(seq uint64) *Reader {
	r := &Reader{log: l, after: seq}
	l.mu.Lock()
	defer l.mu.Unlock()
	r.ordinal = l.segments[0].ordinal
	for _, s := range l.segments {
		if s.preface.logged <= seq {
			r.ordinal = s.ordinal
		}
	}
	return r
}

// ReadPending returns a reader of the rows that are not acknowledged.
func (l *Log) ReadPending() *Reader {
	return l.Read(l.Stats().Acked)
}

// Next returns the next row and waits for one when there is none. The payloads are valid until the next call. It ends with
// the context's error, or with fault.Unavailable when the log is closed or has failed.
func (r *Reader) Next(ctx context.Context) (Row, error) {
	for {
		row, ok, err := r.TryNext()
		if ok || err != nil {
			return row, err
		}
		r.log.mu.Lock()
		wait, failed, more := r.log.progress, r.log.failed, r.log.durable > r.here()
		r.log.mu.Unlock()
		if more {
			continue
		}
		if failed != nil {
			return Row{}, failed
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return Row{}, context.Cause(ctx)
		}
	}
}

// TryNext is Next without waiting: false when every synced row has been read.
func (r *Reader) TryNext() (Row, bool, error) {
	for {
		if r.found.seq > r.after {
			return r.tell()
		}
		limit, err := r.seek()
		if err != nil {
			return Row{}, false, err
		}
		r.scan.end = limit
		h, payload, err := r.scan.nextRow()
		switch {
		case errors.Is(err, io.EOF):
			if !r.advance() {
				return Row{}, false, nil
			}
			continue
		case err != nil:
			return Row{}, false, fault.Wrap("wal.read", fault.DataLoss, err, "the request log is damaged: segment %d, offset %d", r.ordinal, r.scan.off).
				WithReason("REQUEST_LOG_DAMAGED")
		}
		if h.seq <= r.after {
			continue
		}
		r.found, r.payload = h, payload
	}
}

// tell returns the row that was found, or a lost one that should have come before it.
func (r *Reader) tell() (row Row, ok bool, err error) {
	r.after++
	row = Row{Number: r.after, Epoch: r.epoch, Seq: r.after - r.base}
	if r.after < r.found.seq {
		row.Lost = true
		return row, true, nil
	}
	row.End = r.payload
	if r.found.kind == kindEnd {
		row.Begin, err = r.beginning(r.found.ref)
	}
	return row, err == nil, err
}

// Close lets go of the file.
func (r *Reader) Close() {
	if r.file != nil {
		closeAll([]*os.File{r.file})
		r.file, r.scan = nil, nil
	}
}

// seek makes sure that the current segment is open and returns how much of it may be read.
func (r *Reader) seek() (int64, error) {
	if r.file == nil {
		f, err := os.Open(filepath.Join(r.log.opt.Dir, segmentName(r.ordinal)))
		if err != nil {
			return 0, fault.Wrap("wal.read", fault.Unavailable, err, "segment %d cannot be read", r.ordinal)
		}
		p, err := readPreface(f)
		if err != nil {
			closeAll([]*os.File{f})
			return 0, fault.Wrap("wal.read", fault.DataLoss, err, "segment %d cannot be read", r.ordinal)
		}
		r.file, r.epoch, r.base = f, p.epoch, p.base
		r.after = max(r.after, r.base) // what an epoch lost at its end is not told: nobody knows
		r.scan = newScanner(f, r.log.seed, segmentHeaderSize, segmentHeaderSize)
		r.scan.back = lookBack
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	switch durable := r.log.durable; {
	case durable.Segment() == r.ordinal:
		return durable.Offset(), nil
	case r.ordinal >= r.log.segments[0].ordinal && r.ordinal < durable.Segment():
		return r.log.segment(r.ordinal).size, nil
	default: // deleted behind our back: every row of it was acknowledged
		return r.scan.off, nil
	}
}

// advance moves to the next segment when this one will not grow any more.
func (r *Reader) advance() bool {
	r.log.mu.Lock()
	last := r.log.durable.Segment() == r.ordinal
	oldest := r.log.segments[0].ordinal
	r.log.mu.Unlock()
	if last {
		return false
	}
	r.Close()
	r.ordinal = max(r.ordinal+1, oldest)
	return true
}

func (r *Reader) here() Position {
	if r.scan == nil {
		return at(r.ordinal, 0)
	}
	return at(r.ordinal, r.scan.off)
}

// lookBack is how much of the log before a row is kept in memory with it: the BEGIN of a short request is there.
const lookBack = 64 << 10

// beginning reads the BEGIN payload that a row refers to. It was lost when a gap stands there now.
func (r *Reader) beginning(pos Position) ([]byte, error) {
	if pos.Segment() == r.ordinal {
		if head := r.scan.held(pos.Offset(), headerSize); head != nil {
			h, ok := parseHeader(head, r.log.seed, headerSize+MaxPayloadBytes)
			if payload := r.scan.held(pos.Offset()+headerSize, int(h.length)); ok && payload != nil && h.kind == kindBegin && checksum(r.log.seed, payload) == h.payload {
				return payload, nil
			}
		}
	}
	file := r.file
	if pos.Segment() != r.ordinal {
		other, err := os.Open(filepath.Join(r.log.opt.Dir, segmentName(pos.Segment())))
		if err != nil {
			return nil, fault.Wrap("wal.read", fault.Unavailable, err, "segment %d cannot be read", pos.Segment())
		}
		defer closeAll([]*os.File{other})
		file = other
	}
	var head [headerSize]byte
	if _, err := file.ReadAt(head[:], pos.Offset()); errors.Is(err, io.EOF) {
		return nil, nil // the segment was lost and an empty one stands in its place
	} else if err != nil {
		return nil, fault.Wrap("wal.read", fault.DataLoss, err, "the record at %s cannot be read", pos)
	}
	h, ok := parseHeader(head[:], r.log.seed, headerSize+MaxPayloadBytes)
	if !ok || h.kind != kindBegin { // a gap covers it, or it lies inside one
		return nil, nil
	}
	if cap(r.begin) < int(h.length) {
		r.begin = make([]byte, h.length)
	}
	r.begin = r.begin[:h.length]
	if _, err := file.ReadAt(r.begin, pos.Offset()+headerSize); err != nil {
		return nil, fault.Wrap("wal.read", fault.DataLoss, err, "the record at %s cannot be read", pos)
	}
	if checksum(r.log.seed, r.begin) != h.payload {
		return nil, fault.New("wal.read", fault.DataLoss, "the record at %s is damaged", pos)
	}
	return r.begin, nil
}
