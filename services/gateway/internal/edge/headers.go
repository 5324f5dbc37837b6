package edge

import (
	"encoding/hex"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/trace"
)

// The headers that are read, in canonical form; the first one present counts.
var (
	clientIDHeaders = []string{"X-Client-Request-Id", "X-Request-Id"}
	sessionHeaders  = []string{"X-Slipway-Session", "X-Session-Id"}
	entityHeaders   = []string{"X-Slipway-Served-Entity"}
	jsonType        = []string{"application/json"}
	eventsType      = []string{"text/event-stream; charset=utf-8"}
	noCache         = []string{"no-cache"}
	noBuffering     = []string{"no"}
	bearer          = []string{`Bearer realm="slipway"`}
	postOnly        = []string{http.MethodPost}
	getOnly         = []string{http.MethodGet + ", " + http.MethodHead}
)

// maxHeader bounds what is taken of a caller's own names for things.
const maxHeader = 256

func clip(s string) string {
	if len(s) <= maxHeader {
		return s
	}
	n := maxHeader
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func (x *exchange) header(names []string) string {
	for _, name := range names {
		if v := x.r.Header[name]; len(v) > 0 && v[0] != "" {
			return clip(v[0])
		}
	}
	return ""
}

// fields writes headers. Their values share one slice and, as far as they are numbers, one string: a response has a dozen of
// them, and each by itself would be two allocations. Nothing of it is used again, since a header may be read after the answer.
type fields struct {
	to      http.Header
	values  []string
	numbers []byte
	pending []string // names of the numbers
	ends    []int
}

func (f *fields) set(name, value string) {
	f.values = append(f.values, value)
	n := len(f.values)
	f.to[name] = f.values[n-1 : n : n]
}

// number says that what was appended to numbers since the last call is the value of name.
func (f *fields) number(name string) {
	f.pending, f.ends = append(f.pending, name), append(f.ends, len(f.numbers))
}

func (f *fields) flush() {
	all, from := string(f.numbers), 0
	for i, name := range f.pending {
		f.set(name, all[from:f.ends[i]])
		from = f.ends[i]
	}
}

// writeHeaders sets what every answer has; length is the body's, negative for a stream.
func (x *exchange) writeHeaders(length int) {
	var pending [5]string
	var ends [5]int
	f := fields{to: x.w.Header(), values: make([]string, 0, 12), numbers: x.buf.head[:0], pending: pending[:0], ends: ends[:0]}
	f.set("X-Request-Id", x.id)
	if x.parent != "" {
		f.set("Traceresponse", x.parent)
	}
	if x.begun {
		f.set("X-Slipway-Served-Entity", x.entity.Name)
		f.set("Served-Model-Name", x.entity.Name)
	}
	if x.quota.Limit > 0 {
		f.numbers = strconv.AppendInt(f.numbers, int64(x.quota.Limit), 10)
		f.number("X-Ratelimit-Limit-Requests")
		f.numbers = strconv.AppendInt(f.numbers, int64(x.quota.Remaining), 10)
		f.number("X-Ratelimit-Remaining-Requests")
		f.numbers = append(f.numbers, x.quota.Reset.Round(time.Millisecond).String()...)
		f.number("X-Ratelimit-Reset-Requests")
	}
	if length >= 0 {
		f.numbers = strconv.AppendInt(f.numbers, int64(length), 10)
		f.number("Content-Length")
	}
	if length >= 0 && x.settled {
		f.numbers = strconv.AppendInt(f.numbers, max((x.Clock.Now().Sub(x.start)-x.out.waited).Microseconds(), 0), 10)
		f.number("X-Slipway-Overhead-Us")
	}
	f.flush()
	x.buf.head = f.numbers
}

// traceparent writes a span's context as W3C has it.
func traceparent(c trace.SpanContext) string {
	b := [55]byte{0: '0', 1: '0', 2: '-', 35: '-', 52: '-', 53: '0', 54: '0'}
	trace, span := c.TraceID(), c.SpanID()
	hex.Encode(b[3:35], trace[:])
	hex.Encode(b[36:52], span[:])
	if c.IsSampled() {
		b[54] = '1'
	}
	return string(b[:])
}

// carrier reads trace context out of headers.
type carrier http.Header

func (c carrier) Get(key string) string { return http.Header(c).Get(key) }
func (c carrier) Set(key, value string) { http.Header(c).Set(key, value) }
func (c carrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	return keys
}

// write sends a whole answer.
func (x *exchange) write(status int, body []byte) {
	x.w.Header()["Content-Type"] = jsonType
	x.writeHeaders(len(body))
	x.wrote = true
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body) // a caller that has gone has a row all the same
}

// open begins an event stream.
func (x *exchange) open() {
	x.writeHeaders(-1)
	h := x.w.Header()
	h["Content-Type"], h["Cache-Control"], h["X-Accel-Buffering"] = eventsType, noCache, noBuffering
	x.wrote = true
	x.w.WriteHeader(http.StatusOK)
}

// push sends a piece of a stream at once.
func (x *exchange) push(piece []byte) {
	if len(piece) == 0 {
		return
	}
	x.out.sent += int64(len(piece))
	if _, err := x.w.Write(piece); err != nil {
		return // the request's context ends with the connection, and says so to everybody
	}
	if f, ok := x.w.(http.Flusher); ok {
		f.Flush()
	}
}
