package dialect

import (
	"bytes"
	"errors"
	"io"
)

// Frame is one event of a stream: its bytes as they came, with the empty line that ends it, and its data, joined if it had
// several lines. Both are valid until the next Fill.
type Frame struct {
	Raw  []byte
	Data []byte
}

// IsDone says whether the frame ends the stream.
func (f Frame) IsDone() bool { return string(f.Data) == "[DONE]" }

// ErrFrameTooLong: an event does not end within the reader's limit.
var ErrFrameTooLong = errors.New("an event of the stream is too long")

// Events takes an event stream apart as it arrives. Frames keep the bytes they had, so that what is passed on is what was
// received. A stream may end its lines by LF, CRLF or CR.
type Events struct {
	src  io.Reader
	buf  []byte
	from int // frames before it have been taken
	look int // bytes before it hold no end of a frame
	err  error
}

const (
	eventsBuffer = 32 << 10
	maxFrame     = 8 << 20
)

// NewEvents reads src. buf is its buffer, used if it is large enough to be worth it; it may be taken back after the last use.
func NewEvents(src io.Reader, buf []byte) *Events {
	if cap(buf) < eventsBuffer {
		buf = make([]byte, 0, eventsBuffer)
	}
	return &Events{src: src, buf: buf[:0]}
}

// Buffer is the buffer in use, to be kept for another stream.
func (e *Events) Buffer() []byte { return e.buf[:0] }

// Fill reads once from the source. Frames taken before are gone. io.EOF at the end of the source; bytes of a frame that was
// not ended are then returned by Rest.
func (e *Events) Fill() error {
	if e.err != nil {
		return e.err
	}
	if e.from > 0 {
		n := copy(e.buf[:cap(e.buf)], e.buf[e.from:])
		e.buf, e.look, e.from = e.buf[:n], e.look-e.from, 0
	}
	if len(e.buf) == cap(e.buf) {
		if cap(e.buf) >= maxFrame {
			e.err = ErrFrameTooLong
			return e.err
		}
		grown := make([]byte, len(e.buf), 2*cap(e.buf))
		copy(grown, e.buf)
		e.buf = grown
	}
	n, err := e.src.Read(e.buf[len(e.buf):cap(e.buf)])
	e.buf = e.buf[:len(e.buf)+n]
	e.err = err
	if n > 0 {
		return nil // the error, if any, comes with the next Fill
	}
	return err
}

// Next is the next whole frame among what has been read; false when there is none.
func (e *Events) Next() (Frame, bool) {
	end := e.end()
	if end < 0 {
		return Frame{}, false
	}
	raw := e.buf[e.from:end]
	e.from, e.look = end, end
	return Frame{Raw: raw, Data: data(raw)}, true
}

// Rest is what was read behind the last whole frame, as a frame: a source may end without the last empty line.
func (e *Events) Rest() (Frame, bool) {
	raw := e.buf[e.from:]
	e.from, e.look = len(e.buf), len(e.buf)
	return Frame{Raw: raw, Data: data(raw)}, len(bytes.TrimSpace(raw)) > 0
}

// end is the offset behind the empty line that ends the frame at from; -1 when it has not arrived. A CR at the very end may
// be half of a CRLF: it is decided when more has come, or by Rest.
func (e *Events) end() int {
	b := e.buf
	for i := e.look; i < len(b); {
		k := lineEnd(b[i:])
		if k < 0 {
			break
		}
		first, ok := newline(b, i+k)
		if !ok {
			e.look = i + k
			return -1
		}
		if first == len(b) {
			e.look = i + k
			return -1
		}
		if b[first] == '\n' || b[first] == '\r' {
			second, ok := newline(b, first)
			if !ok {
				e.look = i + k
				return -1
			}
			return second
		}
		i = first
		e.look = i
	}
	return -1
}

// lineEnd is the offset of the first CR or LF; -1 when there is none. Two searches for one byte are faster than one for two.
func lineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf >= 0 {
		b = b[:lf]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// newline is the offset behind the line end at i; false when it cannot be told yet.
func newline(b []byte, i int) (int, bool) {
	if b[i] == '\n' {
		return i + 1, true
	}
	if i+1 == len(b) {
		return 0, false
	}
	if b[i+1] == '\n' {
		return i + 2, true
	}
	return i + 1, true
}

// data joins the data lines of a frame. The common frame has one, and then nothing is copied.
func data(raw []byte) []byte {
	var joined []byte
	lines := 0
	for len(raw) > 0 {
		line := raw
		if k := lineEnd(raw); k >= 0 {
			line, raw = raw[:k], raw[k+1:]
		} else {
			raw = nil
		}
		value, ok := bytes.CutPrefix(line, []byte("data:"))
		if !ok {
			continue
		}
		value = bytes.TrimPrefix(value, []byte(" "))
		switch lines++; lines {
		case 1:
			joined = value
		case 2:
			joined = append(append(joined[:len(joined):len(joined)], '\n'), value...)
		default:
			joined = append(append(joined, '\n'), value...)
		}
	}
	return joined
}
