package rpc

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/status"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// maxMethods bounds the method label where callers choose it: a server that proxies unknown methods sees whatever they
// type.
const maxMethods = 512

// metrics of the calls that a server answered.
type metrics struct {
	service  string
	handled  *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
	panics   *prometheus.CounterVec

	mu   sync.Mutex
	seen map[string]bool
}

// newMetrics registers, or shares what another server of this process registered.
func newMetrics(o ServerOptions) (*metrics, error) {
	m := &metrics{service: o.Service, seen: make(map[string]bool)}
	var errs [4]error
	m.handled, errs[0] = register(o.Telemetry.Metrics, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "slipway_rpc_server_handled_total", Help: "Calls answered, by status code.",
	}, []string{"service", "method", "code"}))
	m.seconds, errs[1] = register(o.Telemetry.Metrics, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "slipway_rpc_server_seconds", Help: "Time from the call's arrival to its status.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"service", "method"}))
	m.inFlight, errs[2] = register(o.Telemetry.Metrics, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "slipway_rpc_server_in_flight", Help: "Calls being served.",
	}, []string{"service"}))
	m.panics, errs[3] = register(o.Telemetry.Metrics, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "slipway_rpc_server_panics_total", Help: "Handlers that panicked.",
	}, []string{"service", "method"}))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fault.Wrap("rpc.NewServer", fault.Internal, err, "metrics cannot be registered")
	}
	return m, nil
}

func register[C prometheus.Collector](r *prometheus.Registry, c C) (C, error) {
	err := r.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if old, ok := already.ExistingCollector.(C); ok {
			return old, nil
		}
	}
	return c, err
}

func (m *metrics) interceptor() interceptor {
	return interceptor{name: "metrics", around: func(ctx context.Context, c *call, next func(context.Context) error) error {
		inFlight := m.inFlight.WithLabelValues(m.service)
		inFlight.Inc()
		defer inFlight.Dec()
		err := next(ctx)
		method := m.label(c.method)
		m.handled.WithLabelValues(m.service, method, status.Code(err).String()).Inc()
		m.seconds.WithLabelValues(m.service, method).Observe(time.Since(c.start).Seconds())
		return err
	}}
}

// label is the method without its slash, "other" once a server has seen too many.
func (m *metrics) label(method string) string {
	method = strings.TrimPrefix(method, "/")
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.seen[method] {
		if len(m.seen) >= maxMethods {
			return "other"
		}
		m.seen[method] = true
	}
	return method
}
