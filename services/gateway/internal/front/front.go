// Package front is the platform's one HTTP port. It decides who answers a path, and gives every answer the same manners:
// an id, a trace, a line in the log, a measurement, headers that keep browsers from being too clever, and a JSON error for
// whatever goes wrong. The model surfaces (the edge) bring their own manners, made for speed, and are handed the request
// as it came.
//
//	/healthz /readyz                  open: whether the process lives, whether it can serve
//	/metrics /openapi.json            any token that may read
//	/api/slipway/v1/**                package rest
//	/v1/** /serving-endpoints/**      package edge
//	everything else                   the user interface, where there is one
package front

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/rest"
)

// Options of the front. UI may be nil.
type Options struct {
	Edge         http.Handler
	API          http.Handler
	OpenAPI      http.Handler
	UI           http.Handler
	Authenticate func(r *http.Request) (auth.Principal, error)
	Ready        func(ctx context.Context) error
	Telemetry    *telemetry.Telemetry
	IDs          id.Source
	// Local says that no token is asked for, so that the only guard is that nobody else can reach the port. Requests which
	// a browser sends in the name of a foreign page are then refused.
	Local bool
	// TLS says that the port speaks TLS, so that browsers may be told to insist on it.
	TLS bool
}

// readyWithin bounds one question whether the gateway can serve.
const readyWithin = 5 * time.Second

// New is the handler of the port.
func New(o Options) (http.Handler, error) {
	f := &front{o: o}
	m, err := newManners(o)
	if err != nil {
		return nil, err
	}
	metrics := promhttp.HandlerFor(o.Telemetry.Metrics, promhttp.HandlerOpts{})
	f.health = m.wrap("health", http.HandlerFunc(f.healthz))
	f.ready = m.wrap("health", http.HandlerFunc(f.readyz))
	f.metrics = m.wrap("metrics", f.reading(metrics))
	f.openapi = m.wrap("openapi", f.reading(o.OpenAPI))
	f.api = m.wrap("api", o.API)
	f.edge = o.Edge
	f.rest = m.wrap("none", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { rest.Error(w, r, rest.NotFound()) }))
	if o.UI != nil {
		f.rest = m.wrap("ui", o.UI)
	}
	f.api404 = m.wrap("none", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { rest.Error(w, r, rest.NotFound()) }))
	if o.Local {
		return localOnly(m, f), nil
	}
	return f, nil
}

type front struct {
	o                                                        Options
	health, ready, metrics, openapi, api, edge, rest, api404 http.Handler
}

// reserved are prefixes under which only programs look for something: what is not there is not the user interface.
var reserved = []string{"/api/", "/ajax-api/", "/v1/", "/v2/", "/serving-endpoints/"}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.choose(r.URL.Path).ServeHTTP(w, r)
}

// choose is the table of the port. Not a ServeMux: one would answer a path it finds unclean with a redirect.
func (f *front) choose(path string) http.Handler {
	switch {
	case strings.HasPrefix(path, "/v1/"), strings.HasPrefix(path, "/serving-endpoints/"):
		return f.edge
	case strings.HasPrefix(path, rest.Prefix):
		return f.api
	}
	switch path {
	case "/healthz":
		return f.health
	case "/readyz":
		return f.ready
	case "/metrics":
		return f.metrics
	case "/openapi.json":
		return f.openapi
	}
	for _, p := range reserved {
		if strings.HasPrefix(path, p) {
			return f.api404
		}
	}
	return f.rest
}

func (f *front) healthz(w http.ResponseWriter, r *http.Request) {
	if !looks(w, r) {
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

// readyz says no more than yes or no: it is open, and what is wrong inside is for the log.
func (f *front) readyz(w http.ResponseWriter, r *http.Request) {
	if !looks(w, r) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
	defer cancel()
	if err := f.o.Ready(ctx); err != nil {
		rest.Error(w, r, fault.Wrap("front.readyz", fault.Unavailable, err, "not ready").WithReason("NOT_READY"))
		return
	}
	_, _ = w.Write([]byte("ready\n"))
}

// reading lets a handler be seen with any token that may read.
func (f *front) reading(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := f.o.Authenticate(r)
		if err == nil {
			rest.NotePrincipal(r.Context(), p)
			if !p.HasScope(string(domain.ScopeRead)) {
				err = fault.New("front", fault.PermissionDenied, "this page needs a token with the scope all or read").WithReason("SCOPE_MISSING")
			}
		}
		if err != nil {
			rest.Error(w, r, err)
			return
		}
		if looks(w, r) {
			h.ServeHTTP(w, r)
		}
	})
}

// looks refuses what is not GET or HEAD.
func looks(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	rest.Error(w, r, rest.MethodNotAllowed(r.Method))
	return false
}
