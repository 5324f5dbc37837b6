package wal

import (
	"bytes"
	"errors"
	"io"
)

// scanner walks the records of one segment from front to back. It reads in chunks and holds one record at a time.
type scanner struct {
	src   io.ReaderAt
	seed  uint32
	end   int64 // the file's length: nothing beyond is looked at
	off   int64 // where the next record starts
	chunk []byte
	start int64 // the offset of chunk[0]
	back  int64 // how much before a record is read with it: what records refer to lies mostly there
}

const scanChunk = 256 << 10

func newScanner(src io.ReaderAt, seed uint32, from, end int64) *scanner {
	return &scanner{src: src, seed: seed, off: from, end: end, start: from}
}

// errTorn: the bytes at scanner.off are not a whole record.
var errTorn = errors.New("not a whole record")

// next returns the record at off and moves behind it. io.EOF at the exact end; errTorn where no whole record stands; the
// payload is valid until the next call.
func (s *scanner) next() (header, []byte, error) {
	if s.off == s.end {
		return header{}, nil, io.EOF
	}
	h, payload, err := s.recordAt(s.off)
	if err == nil {
		s.off += h.size()
	}
	return h, payload, err
}

// nextRow is next, but passes over BEGINs and gaps by their headers alone: who reads rows reads a BEGIN when its END comes.
func (s *scanner) nextRow() (header, []byte, error) {
	for s.end-s.off >= headerSize {
		head, err := s.bytes(s.off, headerSize)
		if err != nil {
			return header{}, nil, err
		}
		h, ok := parseHeader(head, s.seed, s.end-s.off)
		if !ok || h.kind == kindEnd || h.kind == kindWhole {
			break
		}
		s.off += h.size()
	}
	return s.next()
}

func (s *scanner) recordAt(off int64) (header, []byte, error) {
	rest := s.end - off
	if rest < headerSize {
		return header{}, nil, errTorn
	}
	head, err := s.bytes(off, headerSize)
	if err != nil {
		return header{}, nil, err
	}
	h, ok := parseHeader(head, s.seed, rest)
	if !ok {
		return header{}, nil, errTorn
	}
	if h.kind == kindGap { // what stands behind a gap's header was damaged: nobody vouches for it
		return h, nil, nil
	}
	whole, err := s.bytes(off, int(h.size()))
	if err != nil {
		return header{}, nil, err
	}
	if checksum(s.seed, whole[headerSize:]) != h.payload {
		return header{}, nil, errTorn
	}
	return h, whole[headerSize:], nil
}

// bytes returns n bytes at off, which the caller knows to lie before end.
func (s *scanner) bytes(off int64, n int) ([]byte, error) {
	if off < s.start || off+int64(n) > s.start+int64(len(s.chunk)) {
		from := max(off-s.back, 0)
		want := int(min(max(int64(n)+off-from, scanChunk), s.end-from))
		if cap(s.chunk) < want {
			s.chunk = make([]byte, want)
		}
		s.chunk = s.chunk[:want]
		if got, err := s.src.ReadAt(s.chunk, from); got < want {
			s.chunk = s.chunk[:0]
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		s.start = from
	}
	i := int(off - s.start)
	return s.chunk[i : i+n : i+n], nil
}

// held returns n bytes at off if they are in memory, and nil otherwise.
func (s *scanner) held(off int64, n int) []byte {
	if off < s.start || off+int64(n) > s.start+int64(len(s.chunk)) {
		return nil
	}
	i := int(off - s.start)
	return s.chunk[i : i+n : i+n]
}

// resync looks for the next whole record after off, byte by byte, and returns its offset; -1 when there is none.
func (s *scanner) resync(off int64) (int64, error) {
	for off++; s.end-off >= headerSize; off++ {
		head, err := s.bytes(off, headerSize)
		if err != nil {
			return -1, err
		}
		if _, ok := parseHeader(head, s.seed, s.end-off); !ok {
			continue
		}
		if _, _, err = s.recordAt(off); err == nil {
			return off, nil
		} else if !errors.Is(err, errTorn) {
			return -1, err
		}
	}
	return -1, nil
}

// contentEnd is the offset behind the last byte that is not zero, at least off.
func (s *scanner) contentEnd() (int64, error) {
	end := s.off
	for at := s.off; at < s.end; {
		n := int(min(scanChunk, s.end-at))
		b, err := s.bytes(at, n)
		if err != nil {
			return 0, err
		}
		if content := bytes.TrimRight(b, "\x00"); len(content) > 0 {
			end = at + int64(len(content))
		}
		at += int64(n)
	}
	return end, nil
}

// tornAt says whether the bytes from off to the end are a torn tail: no whole record behind off was written after off had
// been synced. A tail may hold whole records beyond a torn one, since pages reach a disk in any order until they are synced.
func (s *scanner) tornAt(off int64) (bool, error) {
	for at := off; ; {
		next, err := s.resync(at)
		if err != nil {
			return false, err
		}
		if next < 0 {
			return true, nil
		}
		h, _, err := s.recordAt(next)
		if err != nil {
			return false, err
		}
		if int64(h.synced) > off {
			return false, nil
		}
		at = next
	}
}
