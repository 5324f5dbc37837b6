package boot

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/lifecycle"
)

// side is the small HTTP server beside a mesh service: /healthz is 200 while the process lives, /readyz while it can
// serve, /metrics is for Prometheus. It has no principal, so it says nothing else; what it says why not ready is for
// the log of whoever asked.
type side struct {
	listener net.Listener
	server   *http.Server
	failed   chan error
}

func newSide(addr string, metrics *prometheus.Registry, ready func(context.Context) error) (*side, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fault.Wrap("boot.HTTP", fault.Unavailable, err, "cannot listen on %s", addr)
	}
	s := &side{listener: l, failed: make(chan error, 1)}
	s.server = &http.Server{Handler: Side(metrics, ready), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	return s, nil
}

// Side is the handler of /healthz, /readyz and /metrics.
func Side(metrics *prometheus.Registry, ready func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
		defer cancel()
		if err := ready(ctx); err != nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return mux
}

const readyWithin = 5 * time.Second

func (s *side) addr() string { return s.listener.Addr().String() }

func (s *side) module() lifecycle.Module {
	return lifecycle.Module{
		Name: "http",
		Start: func(context.Context) error {
			go func() {
				if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
					s.failed <- err
				}
			}()
			return nil
		},
		Stop:   s.server.Shutdown,
		Failed: func() <-chan error { return s.failed },
	}
}
