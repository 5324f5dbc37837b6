package front

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/services/gateway/internal/rest"
)

// manners is what is done around every handler of the port but the edge's.
type manners struct {
	o       Options
	tracer  trace.Tracer
	handled *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newManners(o Options) (*manners, error) {
	m := &manners{
		o: o, tracer: o.Telemetry.Tracer("github.com/slipway-ai/slipway/services/gateway/internal/front"),
		handled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_http_handled_total", Help: "HTTP requests answered, by surface and status; the model surfaces count their own.",
		}, []string{"surface", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slipway_http_seconds", Help: "Time from a request's arrival to the end of its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"surface"}),
	}
	if err := errors.Join(o.Telemetry.Metrics.Register(m.handled), o.Telemetry.Metrics.Register(m.seconds)); err != nil {
		return nil, fault.Wrap("front.New", fault.Internal, err, "metrics cannot be registered")
	}
	return m, nil
}

// wrap gives a handler manners. From the outside in: the id, the trace, then log and measurement, which see what recover
// answered, then the handler.
func (m *manners) wrap(surface string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rid := r.Header.Get(rpc.RequestIDKey)
		if !rpc.ValidRequestID(rid) {
			rid = m.o.IDs.New()
		}
		w.Header().Set("X-Request-Id", rid)
		m.secure(w.Header(), surface)
		ctx := m.o.Telemetry.Propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := m.tracer.Start(rpc.WithRequestID(ctx, rid), r.Method+" "+surface, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		ctx, notes := rest.WithNotes(ctx)
		r = r.WithContext(ctx)
		out := &recorder{ResponseWriter: w}
		defer func() {
			broke := recover()
			if broke != nil && !aborts(broke) {
				broke = m.failed(out, r, broke)
			}
			who, err := notes()
			status := out.code()
			m.handled.WithLabelValues(surface, method(r.Method), strconv.Itoa(status)).Inc()
			m.seconds.WithLabelValues(surface).Observe(time.Since(start).Seconds())
			if span.IsRecording() {
				span.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path), attribute.Int("http.response.status_code", status))
			}
			if status >= http.StatusInternalServerError || broke != nil {
				span.SetStatus(codes.Error, "")
			}
			if broke != nil && err != nil { // for the log, the status that could not be sent any more
				status = fault.HTTPStatus(fault.KindOf(err))
			}
			m.log(r, surface, status, time.Since(start), who.Name, err)
			if aborts(broke) {
				panic(broke) // net/http breaks the connection, which is what the handler wanted
			}
		}()
		h.ServeHTTP(out, r)
	})
}

// aborts reports whether a panic asks net/http to break the connection.
func aborts(p any) bool {
	err, ok := p.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

// failed answers for a handler that panicked. When the answer has begun, nothing but a broken connection can say that it
// is not the whole answer: failed then returns what makes net/http break it.
func (m *manners) failed(out *recorder, r *http.Request, cause any) (broke any) {
	err := fault.Wrap("front", fault.Internal, fmt.Errorf("panic: %v\n%s", cause, debug.Stack()), "internal error")
	if out.status != 0 {
		rest.NoteError(r.Context(), err)
		return http.ErrAbortHandler
	}
	rest.Error(out, r, err)
	return nil
}

// secure tells browsers what not to do. The user interface says itself what its pages may load.
func (m *manners) secure(h http.Header, surface string) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if surface != "ui" {
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	}
	if m.o.TLS {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// method bounds the label: a caller may send any word.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// log writes one line, as loud as the gRPC servers do it: ours are errors, what we depend on warnings, the caller's
// mistakes information, success for debugging. Query strings and headers are not in it: they may hold secrets.
func (m *manners) log(r *http.Request, surface string, status int, took time.Duration, who string, cause error) {
	level := slog.LevelDebug
	switch {
	case status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		level = slog.LevelWarn
	case status >= http.StatusInternalServerError && status != http.StatusNotImplemented:
		level = slog.LevelError
	case status >= http.StatusBadRequest:
		level = slog.LevelInfo
	}
	if surface == "health" {
		level = slog.LevelDebug
	}
	log := m.o.Telemetry.Log
	if !log.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("surface", surface), slog.String("method", method(r.Method)), slog.String("path", r.URL.Path), slog.Int("status", status),
		slog.Duration("took", took), slog.String("principal", who), slog.String("remote", r.RemoteAddr),
	}
	if cause != nil {
		attrs = append(attrs, slog.String("error", cause.Error()))
	}
	log.LogAttrs(r.Context(), level, "http request", attrs...)
}

// recorder remembers the status.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK { // 1xx come before the answer
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach deadlines and flushing.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
