package dialect

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// span is a piece of a body by its offsets.
type span struct{ from, to int }

func (s span) of(body []byte) []byte { return body[s.from:s.to] }

// maxDepth bounds nesting: tool schemas are deep, a body of 16 MiB of brackets is not a request.
const maxDepth = 256

// scanner validates JSON as it skips over it. On an error, at is the offset that could not be read.
type scanner struct {
	b  []byte
	at int
}

func syntax(at int) error {
	return fault.New("dialect.Scan", fault.Invalid, "the body is not valid JSON: unexpected byte at offset %d", at).WithReason("INVALID_JSON")
}

func (s *scanner) space() {
	for s.at < len(s.b) {
		switch s.b[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// peek is the next byte that is not space; 0 at the end, which no JSON value begins with.
func (s *scanner) peek() byte {
	s.space()
	if s.at == len(s.b) {
		return 0
	}
	return s.b[s.at]
}

func (s *scanner) expect(c byte) error {
	if s.peek() != c {
		return syntax(s.at)
	}
	s.at++
	return nil
}

// value skips one value of any kind.
func (s *scanner) value(depth int) error {
	switch c := s.peek(); {
	case c == '"':
		return s.str()
	case c == '{':
		return s.object(depth, nil)
	case c == '[':
		return s.array(depth, nil)
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	}
	return syntax(s.at)
}

// object skips an object and calls member, when there is one, for each of its members: key without quotes, and value.
func (s *scanner) object(depth int, member func(key, val span) error) error {
	if depth >= maxDepth {
		return fault.New("dialect.Scan", fault.Invalid, "the body is nested more than %d deep", maxDepth).WithReason("INVALID_JSON")
	}
	if err := s.expect('{'); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.at++
		return nil
	}
	for {
		if s.peek() != '"' {
			return syntax(s.at)
		}
		key := span{from: s.at + 1}
		if err := s.str(); err != nil {
			return err
		}
		key.to = s.at - 1
		if err := s.expect(':'); err != nil {
			return err
		}
		s.space()
		val := span{from: s.at}
		if err := s.value(depth + 1); err != nil {
			return err
		}
		val.to = s.at
		if member != nil {
			if err := member(key, val); err != nil {
				return err
			}
		}
		switch s.peek() {
		case ',':
			s.at++
		case '}':
			s.at++
			return nil
		default:
			return syntax(s.at)
		}
	}
}

// array skips an array and calls element, when there is one, for each of its elements.
func (s *scanner) array(depth int, element func(val span) error) error {
	if depth >= maxDepth {
		return fault.New("dialect.Scan", fault.Invalid, "the body is nested more than %d deep", maxDepth).WithReason("INVALID_JSON")
	}
	if err := s.expect('['); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.at++
		return nil
	}
	for {
		s.space()
		val := span{from: s.at}
		if err := s.value(depth + 1); err != nil {
			return err
		}
		val.to = s.at
		if element != nil {
			if err := element(val); err != nil {
				return err
			}
		}
		switch s.peek() {
		case ',':
			s.at++
		case ']':
			s.at++
			return nil
		default:
			return syntax(s.at)
		}
	}
}

const (
	low  = 0x0101010101010101
	high = 0x8080808080808080
)

// stops marks the bytes of x at which a string may not simply go on: a quote, a backslash, a control character. The marks
// below the lowest true one are exact; above it a borrow may add false ones, which do not matter.
func stops(x uint64) uint64 {
	quote, slash := x^(low*'"'), x^(low*'\\')
	return ((quote-low)&^quote | (slash-low)&^slash | (x-low*0x20)&^x) & high
}

// str skips a string, eight bytes at a time: nearly all bytes of a long prompt are passed here.
func (s *scanner) str() error {
	i := s.at + 1
	for {
		for i+8 <= len(s.b) {
			m := stops(binary.LittleEndian.Uint64(s.b[i:]))
			if m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		for i < len(s.b) && s.b[i] != '"' && s.b[i] != '\\' && s.b[i] >= 0x20 {
			i++
		}
		if i == len(s.b) {
			return syntax(i)
		}
		switch s.b[i] {
		case '"':
			s.at = i + 1
			return nil
		case '\\':
			n := escape(s.b[i:])
			if n == 0 {
				return syntax(i)
			}
			i += n
		default:
			return syntax(i)
		}
	}
}

// escape is the length of the escape sequence that b begins with; 0 when it is none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) >= 6 && hex(b[2]) >= 0 && hex(b[3]) >= 0 && hex(b[4]) >= 0 && hex(b[5]) >= 0 {
			return 6
		}
	}
	return 0
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func (s *scanner) literal(word string) error {
	if len(s.b)-s.at < len(word) || string(s.b[s.at:s.at+len(word)]) != word {
		return syntax(s.at)
	}
	s.at += len(word)
	return nil
}

func (s *scanner) digits() bool {
	from := s.at
	for s.at < len(s.b) && s.b[s.at] >= '0' && s.b[s.at] <= '9' {
		s.at++
	}
	return s.at > from
}

func (s *scanner) next(c byte) bool {
	if s.at < len(s.b) && s.b[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) number() error {
	s.next('-')
	if !s.next('0') && !s.digits() {
		return syntax(s.at)
	}
	if s.next('.') && !s.digits() {
		return syntax(s.at)
	}
	if s.next('e') || s.next('E') {
		if !s.next('+') {
			s.next('-')
		}
		if !s.digits() {
			return syntax(s.at)
		}
	}
	return nil
}

// unquote appends the text of a string's inside (validated, without its quotes) to dst. A lone surrogate becomes U+FFFD.
func unquote(dst, inside []byte) []byte {
	for i := 0; i < len(inside); {
		if inside[i] != '\\' {
			n := bytes.IndexByte(inside[i:], '\\')
			if n < 0 {
				return append(dst, inside[i:]...)
			}
			dst = append(dst, inside[i:i+n]...)
			i += n
		}
		switch c := inside[i+1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := rune16(inside[i:])
			i += 6
			if utf16.IsSurrogate(r) {
				if i+6 <= len(inside) && inside[i] == '\\' && inside[i+1] == 'u' {
					if pair := utf16.DecodeRune(r, rune16(inside[i:])); pair != utf8.RuneError {
						r = pair
						i += 6
					}
				}
			}
			dst = utf8.AppendRune(dst, r) // which writes U+FFFD for a surrogate
			continue
		default:
			dst = append(dst, c)
		}
		i += 2
	}
	return dst
}

func rune16(b []byte) rune {
	return rune(hex(b[2])<<12 | hex(b[3])<<8 | hex(b[4])<<4 | hex(b[5]))
}

// text is the content of a JSON string with its quotes; false when raw is another value.
func text(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	inside := raw[1 : len(raw)-1]
	if bytes.IndexByte(inside, '\\') >= 0 {
		return string(unquote(make([]byte, 0, len(inside)), inside)), true
	}
	return string(inside), true
}

func integer(raw []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil
}

func isNull(raw []byte) bool { return len(raw) == 4 && raw[0] == 'n' }

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD; the line separators U+2028 and U+2029 are
// escaped, since an event stream's reader may take them for the end of a line.
func AppendString[S string | []byte](dst []byte, s S) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, s[from:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			from = i
			continue
		}
		end := min(i+utf8.UTFMax, len(s))
		r, n := utf8.DecodeRuneInString(string(s[i:end]))
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(append(dst, s[from:i]...), `\ufffd`...)
			from = i + n
		case r == '\u2028' || r == '\u2029':
			dst = append(append(dst, s[from:i]...), '\\', 'u', '2', '0', '2', hexDigits[r&15])
			from = i + n
		}
		i += n
	}
	return append(append(dst, s[from:]...), '"')
}
