package edge

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/trace"
)

// The headers that are read, in canonical form; the first one present counts.
var (
	clientIDHeaders = []string{"X-Client-Request-Id", "X-Request-Id"}   //nolint:gochecknoglobals // a constant that the language cannot write
	sessionHeaders  = []string{"X-Slipway-Session", "X-Session-Id"}     //nolint:gochecknoglobals // likewise
	entityHeaders   = []string{"X-Slipway-Served-Entity"}               //nolint:gochecknoglobals // likewise
	jsonType        = []string{"application/json"}                      //nolint:gochecknoglobals // likewise
	eventsType      = []string{"text/event-stream; charset=utf-8"}      //nolint:gochecknoglobals // likewise
	noCache         = []string{"no-cache"}                              //nolint:gochecknoglobals // likewise
	noBuffering     = []string{"no"}                                    //nolint:gochecknoglobals // likewise
	bearer          = []string{`Bearer realm="slipway"`}                //nolint:gochecknoglobals // likewise
	postOnly        = []string{http.MethodPost}                         //nolint:gochecknoglobals // likewise
	getOnly         = []string{http.MethodGet + ", " + http.MethodHead} //nolint:gochecknoglobals // likewise
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

// writeHeaders sets what every answer has.
func (x *exchange) writeHeaders(h http.Header) {
	h["X-Request-Id"] = []string{x.id}
	if c := x.span.SpanContext(); c.IsValid() {
		h["Traceresponse"] = []string{traceparent(c)}
	}
	if x.quota.Limit > 0 {
		h["X-Ratelimit-Limit-Requests"] = []string{strconv.Itoa(x.quota.Limit)}
		h["X-Ratelimit-Remaining-Requests"] = []string{strconv.Itoa(x.quota.Remaining)}
		h["X-Ratelimit-Reset-Requests"] = []string{x.quota.Reset.Round(time.Millisecond).String()}
	}
	if x.begun {
		h["X-Slipway-Served-Entity"] = []string{x.entity.Name}
		h["Served-Model-Name"] = []string{x.entity.Name}
	}
}

// traceparent writes a span's context as W3C has it.
func traceparent(c trace.SpanContext) string {
	var b strings.Builder
	b.Grow(55)
	b.WriteString("00-")
	b.WriteString(c.TraceID().String())
	b.WriteByte('-')
	b.WriteString(c.SpanID().String())
	if c.IsSampled() {
		b.WriteString("-01")
	} else {
		b.WriteString("-00")
	}
	return b.String()
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
	h := x.w.Header()
	x.writeHeaders(h)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = jsonType
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if x.begun && x.settled {
		overhead := x.Clock.Now().Sub(x.start) - x.out.waited
		h["X-Slipway-Overhead-Us"] = []string{strconv.FormatInt(max(overhead.Microseconds(), 0), 10)}
	}
	x.wrote = true
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body) // a caller that has gone has a row all the same
}

// open begins an event stream.
func (x *exchange) open() {
	h := x.w.Header()
	x.writeHeaders(h)
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
