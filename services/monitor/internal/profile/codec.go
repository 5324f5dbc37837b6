package profile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"sort"
)

// A stored profile is a magic word, the fields as varints and little-endian
// floats, and a CRC-32C of all before it. Values are stored in increasing order as
// differences of their order-preserving bits, which makes a column of whole
// numbers two or three bytes per distinct value.
const magic = "slpf1"

var (
	crcTable = crc32.MakeTable(crc32.Castagnoli)

	// ErrDamaged says that bytes are not a stored profile, or not all of one.
	ErrDamaged = errors.New("profile: stored bytes are damaged")
)

// MarshalBinary gives the bytes to store. Equal profiles give equal bytes.
func (p *Profile) MarshalBinary() ([]byte, error) {
	b := append([]byte(nil), magic...)
	columns := p.Columns()
	b = appendCount(b, p.Rows)
	b = appendCount(b, int64(len(columns)))
	for _, c := range columns {
		b = appendText(b, c.Name)
		if c.Kind == KindNumeric {
			b = appendNumeric(append(b, 0), p.numeric[c.Name])
		} else {
			b = appendCategorical(append(b, 1), p.categorical[c.Name])
		}
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crcTable)), nil
}

func appendNumeric(b []byte, s *Numeric) []byte {
	b = appendCount(b, int64(s.budget))
	for _, n := range []int64{s.count, s.nulls, s.invalid} {
		b = appendCount(b, n)
	}
	if s.exact != nil {
		b = append(b, 0)
		r := s.inOrder()
		b = appendCount(b, int64(len(r.values)))
		var last uint64
		for i, x := range r.values {
			key := ordered(x)
			b = binary.AppendUvarint(b, key-last)
			b = appendCount(b, r.counts[i])
			last = key
		}
		return b
	}
	b = append(b, 1)
	var filled int64
	s.hist.each(func(uint32, int64) { filled++ })
	b = appendCount(b, filled)
	var last uint32
	s.hist.each(func(bucket uint32, n int64) {
		b = appendCount(b, int64(bucket-last))
		b = appendCount(b, n)
		last = bucket
	})
	b = append(b, s.distinct[:]...)
	b = appendCount(b, s.rest.zeros)
	for _, f := range []float64{s.rest.min, s.rest.max, s.rest.mean, s.rest.m2} {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
	}
	return b
}

func appendCategorical(b []byte, c *Categorical) []byte {
	b = appendCount(b, int64(c.budget))
	for _, n := range []int64{c.count, c.nulls, c.slack} {
		b = appendCount(b, n)
	}
	names := make([]string, 0, len(c.items))
	for name := range c.items {
		names = append(names, name)
	}
	sort.Strings(names)
	b = appendCount(b, int64(len(names)))
	for _, name := range names {
		b = appendText(b, name)
		b = appendCount(b, c.items[name])
	}
	if c.distinct == nil {
		return append(b, 0)
	}
	return append(append(b, 1), c.distinct[:]...)
}

// ordered maps floats to integers of the same order; unordered goes back.
func ordered(x float64) uint64 {
	u := math.Float64bits(x)
	if u>>63 == 0 {
		return u ^ 1<<63
	}
	return ^u
}

func unordered(u uint64) float64 {
	if u>>63 == 1 {
		return math.Float64frombits(u ^ 1<<63)
	}
	return math.Float64frombits(^u)
}

func appendCount(b []byte, n int64) []byte { return binary.AppendUvarint(b, uint64(n)) }

func appendText(b []byte, s string) []byte { return append(appendCount(b, int64(len(s))), s...) }

// UnmarshalBinary reads what MarshalBinary wrote; anything else is ErrDamaged.
func (p *Profile) UnmarshalBinary(raw []byte) error {
	if len(raw) < len(magic)+4 || string(raw[:len(magic)]) != magic {
		return fmt.Errorf("%w: no profile", ErrDamaged)
	}
	body, sum := raw[:len(raw)-4], binary.LittleEndian.Uint32(raw[len(raw)-4:])
	if crc32.Checksum(body, crcTable) != sum {
		return fmt.Errorf("%w: checksum", ErrDamaged)
	}
	r := &reader{rest: body[len(magic):]}
	out := New(nil, Budget{})
	out.Rows = r.count()
	for n := r.length(3); n > 0 && r.err == nil; n-- {
		name := r.text()
		switch r.byte() {
		case 0:
			out.numeric[name] = r.numeric()
		case 1:
			out.categorical[name] = r.categorical()
		default:
			r.fail("unknown kind of column")
		}
	}
	if len(r.rest) != 0 {
		r.fail("bytes after the end")
	}
	if r.err != nil {
		return r.err
	}
	*p = *out
	return nil
}

// reader takes fields from the front of rest and remembers the first failure;
// after one, everything reads as zero.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(why string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrDamaged, why)
	}
	r.rest = nil
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail("number cut short")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) count() int64 {
	v := r.uvarint()
	if v > math.MaxInt64 {
		r.fail("number out of range")
		return 0
	}
	return int64(v)
}

// length is a count of things that take at least size bytes each, so that a wrong
// number cannot ask for more memory than there are bytes.
func (r *reader) length(size int) int {
	n := r.count()
	if n > int64(len(r.rest)/size) {
		r.fail("length beyond the end")
		return 0
	}
	return int(n)
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.fail("cut short")
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) text() string { return string(r.bytes(r.length(1))) }

func (r *reader) float() float64 {
	if b := r.bytes(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}

func (r *reader) registers() *registers {
	var out registers
	copy(out[:], r.bytes(len(out)))
	return &out
}

func (r *reader) numeric() *Numeric {
	s := NewNumeric(int(r.count()))
	s.count, s.nulls, s.invalid = r.count(), r.count(), r.count()
	histogrammed := r.byte() == 1
	if histogrammed {
		s.exact, s.hist = nil, &histogram{}
	}
	var key uint64
	var sum int64
	for i, n := 0, r.length(2); i < n && r.err == nil; i++ {
		step, times := r.uvarint(), r.count()
		if times == 0 || i > 0 && step == 0 {
			r.fail("values out of order")
		}
		key += step
		sum += times
		if histogrammed {
			if key >= 1<<20 {
				r.fail("bucket out of range")
				break
			}
			s.hist.addBucket(uint32(key), times)
			continue
		}
		x := unordered(key)
		if math.IsNaN(x) || math.IsInf(x, 0) {
			r.fail("value not finite")
			break
		}
		s.exact.add(x+0, times)
	}
	if sum != s.count {
		r.fail("counts do not add up")
	}
	if histogrammed {
		s.distinct = r.registers()
		s.rest = moments{n: s.count, zeros: r.count(), min: r.float(), max: r.float(), mean: r.float(), m2: r.float()}
	}
	return s
}

func (r *reader) categorical() *Categorical {
	c := NewCategorical(int(r.count()))
	c.count, c.nulls, c.slack = r.count(), r.count(), r.count()
	var sum int64
	for n := r.length(2); n > 0 && r.err == nil; n-- {
		name := r.text()
		times := r.count()
		sum += times
		c.items[name] = times
	}
	if sum > c.count {
		r.fail("counts do not add up")
	}
	if r.byte() == 1 {
		c.distinct = r.registers()
	}
	return c
}
