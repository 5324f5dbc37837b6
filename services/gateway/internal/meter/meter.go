// Package meter counts: what requests cost in tokens and time, and what the gateway itself adds to it.
//
// Tokens are counted for every request, whether its client asked for a count or not and whether its provider gave one; see
// Usage. Metrics are bound to their labels once per endpoint and entity, so that counting a request neither hashes labels nor
// allocates. Labels are names that the routing table knows: a caller cannot make new ones.
package meter

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Meter holds the gateway's metrics about requests.
type Meter struct {
	requests *prometheus.CounterVec
	tokens   *prometheus.CounterVec
	duration *prometheus.HistogramVec
	ttft     *prometheus.HistogramVec
	overhead *prometheus.HistogramVec
	retries  *prometheus.CounterVec
	refused  *prometheus.CounterVec
	unlogged prometheus.Counter
	inFlight prometheus.Gauge

	bound sync.Map // Labels → *Bound
}

// Labels say whose request it is. Empty strings stand for what could not be told.
type Labels struct {
	Endpoint string
	Entity   string
	Task     string // chat or embeddings
}

// New registers the metrics.
func New(registry prometheus.Registerer) *Meter {
	entity := []string{"endpoint", "served_entity", "task"}
	seconds := prometheus.ExponentialBucketsRange(0.001, 120, 18)
	m := &Meter{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_gateway_requests_total", Help: "Requests by HTTP status; 499 is a caller that went away.",
		}, append(entity, "status")),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_gateway_tokens_total", Help: "Tokens by kind; the kinds are disjoint. counted=estimated when nobody counted them.",
		}, append(entity, "kind", "counted")),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slipway_gateway_request_duration_seconds", Help: "From admission to the last byte.", Buckets: seconds,
		}, append(entity, "stream")),
		ttft: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slipway_gateway_time_to_first_token_seconds", Help: "From admission to the first token of a stream.", Buckets: seconds,
		}, entity),
		overhead: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slipway_gateway_overhead_seconds", Help: "What the gateway adds: the request's time without the time spent waiting for who answers it.",
			Buckets: prometheus.ExponentialBucketsRange(0.000_02, 0.1, 16),
		}, entity),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_gateway_retries_total", Help: "Tries after the first, before a first token.",
		}, entity),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_gateway_refused_total", Help: "Requests that reached no served entity, by reason.",
		}, []string{"reason"}),
		unlogged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "slipway_gateway_unlogged_rejections_total", Help: "Unauthenticated requests that were not logged because there were too many.",
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "slipway_gateway_requests_in_flight", Help: "Requests being answered.",
		}),
	}
	registry.MustRegister(m.requests, m.tokens, m.duration, m.ttft, m.overhead, m.retries, m.refused, m.unlogged, m.inFlight)
	return m
}

// Refused counts a request that reached no served entity. reason is one of the platform's own.
func (m *Meter) Refused(reason string) { m.refused.WithLabelValues(reason).Inc() }

// Unlogged counts a rejection that became no row.
func (m *Meter) Unlogged() { m.unlogged.Inc() }

// Enter counts a request in.
func (m *Meter) Enter() { m.inFlight.Inc() }

// Leave counts it out.
func (m *Meter) Leave() { m.inFlight.Dec() }

// Request is what a finished request amounts to.
type Request struct {
	Status   int
	Stream   bool
	Usage    Usage
	Duration time.Duration
	TTFT     time.Duration // 0: there was no first token
	Overhead time.Duration
	Retries  int
}

// Bound is the metrics of one endpoint and entity.
type Bound struct {
	meter    *Meter
	labels   Labels
	status   sync.Map // int → prometheus.Counter
	tokens   [2][6]prometheus.Counter
	duration [2]prometheus.Observer
	ttft     prometheus.Observer
	overhead prometheus.Observer
	retries  prometheus.Counter
}

// Bind finds the metrics for labels, which it makes at their first request.
func (m *Meter) Bind(l Labels) *Bound {
	if b, ok := m.bound.Load(l); ok {
		return b.(*Bound)
	}
	b, _ := m.bound.LoadOrStore(l, m.bind(l))
	return b.(*Bound)
}

var tokenKinds = [6]string{"input", "input_cached", "input_audio", "output", "output_reasoning", "output_audio"}

func (m *Meter) bind(l Labels) *Bound {
	b := &Bound{
		meter: m, labels: l,
		ttft:     m.ttft.WithLabelValues(l.Endpoint, l.Entity, l.Task),
		overhead: m.overhead.WithLabelValues(l.Endpoint, l.Entity, l.Task),
		retries:  m.retries.WithLabelValues(l.Endpoint, l.Entity, l.Task),
	}
	for i, stream := range [...]string{"false", "true"} {
		b.duration[i] = m.duration.WithLabelValues(l.Endpoint, l.Entity, l.Task, stream)
	}
	for i, counted := range [...]string{"reported", "estimated"} {
		for j, kind := range tokenKinds {
			b.tokens[i][j] = m.tokens.WithLabelValues(l.Endpoint, l.Entity, l.Task, kind, counted)
		}
	}
	return b
}

// Count adds a finished request.
func (b *Bound) Count(r Request) {
	b.counter(r.Status).Inc()
	b.duration[index(r.Stream)].Observe(r.Duration.Seconds())
	b.overhead.Observe(r.Overhead.Seconds())
	if r.TTFT > 0 {
		b.ttft.Observe(r.TTFT.Seconds())
	}
	if r.Retries > 0 {
		b.retries.Add(float64(r.Retries))
	}
	u := r.Usage
	tokens := &b.tokens[index(u.Estimated)]
	for i, n := range [...]int64{u.InputUncached, u.InputCached, u.InputAudio, u.OutputText, u.OutputReasoning, u.OutputAudio} {
		if n > 0 {
			tokens[i].Add(float64(n))
		}
	}
}

func (b *Bound) counter(status int) prometheus.Counter {
	if c, ok := b.status.Load(status); ok {
		return c.(prometheus.Counter)
	}
	c := b.meter.requests.WithLabelValues(b.labels.Endpoint, b.labels.Entity, b.labels.Task, strconv.Itoa(status))
	b.status.Store(status, c)
	return c
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}
