package front_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/services/gateway/internal/front"
	"github.com/slipway-ai/slipway/services/gateway/internal/rest"
)

var who = map[string]auth.Principal{
	"ana":    {Name: "ana", Kind: auth.User},
	"reader": {Name: "reader", Kind: auth.User, Scopes: []string{"read"}},
	"model":  {Name: "model", Kind: auth.User, Scopes: []string{"inference"}},
}

func authenticate(r *http.Request) (auth.Principal, error) {
	if p, ok := who[r.Header.Get("X-Api-Key")]; ok {
		return p, nil
	}
	return auth.Principal{}, fault.New("test", fault.Unauthenticated, "a token is required").WithReason("CREDENTIAL_MISSING")
}

func named(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(name)) })
}

// port is the front on a real listener.
type port struct {
	url    string
	server *http.Server
	ready  atomic.Bool
	client *http.Client
}

func open(t *testing.T, change func(*front.Options), tlsConfig *tls.Config) *port {
	t.Helper()
	p := &port{client: &http.Client{Transport: &http.Transport{}}}
	o := front.Options{
		Edge: named("edge"), OpenAPI: named("openapi"), Authenticate: authenticate, Telemetry: telemetry.Discard(), IDs: id.UUIDv7(),
		API: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/panic"):
				panic("hunter2")
			case strings.HasSuffix(r.URL.Path, "/late"):
				_, _ = w.Write([]byte("half"))
				panic("hunter2")
			}
			_, _ = w.Write([]byte("api"))
		}),
		Ready: func(context.Context) error {
			if p.ready.Load() {
				return nil
			}
			return errors.New("the registry at 10.0.0.7 is away")
		},
	}
	if change != nil {
		change(&o)
	}
	h, err := front.New(o)
	require.NoError(t, err)
	p.server = front.NewServer(h, tlsConfig, slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- front.Serve(p.server, l) }()
	t.Cleanup(func() {
		require.NoError(t, p.server.Close())
		require.NoError(t, <-done)
	})
	p.url = "http://" + l.Addr().String()
	return p
}

// reply is an answer without its body.
type reply struct {
	StatusCode, ProtoMajor int
	Header                 http.Header
}

func (p *port) call(t *testing.T, method, path, token string, headers ...string) (reply, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, nil)
	require.NoError(t, err)
	if token != "" {
		r.Header.Set("X-Api-Key", token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w, err := p.client.Do(r)
	require.NoError(t, err)
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return reply{StatusCode: w.StatusCode, ProtoMajor: w.ProtoMajor, Header: w.Header}, string(b)
}

func TestEveryPathHasItsHandlerAndItsLock(t *testing.T) {
	t.Parallel()
	p := open(t, nil, nil)
	p.ready.Store(true)
	for _, c := range []struct {
		method, path, token string
		status              int
		body                string
	}{
		{"GET", "/healthz", "", 200, "ok\n"},
		{"HEAD", "/healthz", "", 200, ""},
		{"POST", "/healthz", "", 405, "METHOD_NOT_ALLOWED"},
		{"GET", "/readyz", "", 200, "ready\n"},
		{"GET", "/metrics", "", 401, "CREDENTIAL_MISSING"},
		{"GET", "/metrics", "model", 403, "SCOPE_MISSING"},
		{"GET", "/metrics", "reader", 200, "slipway_http_handled_total"},
		{"DELETE", "/metrics", "ana", 405, "METHOD_NOT_ALLOWED"},
		{"GET", "/openapi.json", "", 401, "CREDENTIAL_MISSING"},
		{"GET", "/openapi.json", "ana", 200, "openapi"},
		{"GET", "/api/slipway/v1/x", "", 200, "api"},
		{"GET", "/v1/chat/completions", "", 200, "edge"},
		{"POST", "/serving-endpoints/x/invocations", "", 200, "edge"},
		{"GET", "/api/2.0/nothing", "", 404, "PATH_NOT_FOUND"},
		{"GET", "/", "", 404, "PATH_NOT_FOUND"},
		{"GET", "/healthz/x", "", 404, "PATH_NOT_FOUND"},
		{"GET", "//v1/models", "", 404, "PATH_NOT_FOUND"},
		{"GET", "/x/../v1/models", "", 404, "PATH_NOT_FOUND"},
	} {
		w, body := p.call(t, c.method, c.path, c.token)
		require.Equal(t, c.status, w.StatusCode, "%s %s: %s", c.method, c.path, body)
		require.Contains(t, body, c.body, "%s %s", c.method, c.path)
	}
}

func TestTheUserInterfaceHasTheRest(t *testing.T) {
	t.Parallel()
	p := open(t, func(o *front.Options) { o.UI = named("ui") }, nil)
	for path, want := range map[string]string{"/": "ui", "/models/x": "ui", "/assets/a.js": "ui", "/v1/models": "edge"} {
		w, body := p.call(t, http.MethodGet, path, "")
		require.Equal(t, http.StatusOK, w.StatusCode)
		require.Equal(t, want, body, path)
		require.Equal(t, want == "ui" && w.Header.Get("Content-Security-Policy") != "", false, "its pages say themselves what they load")
	}
	w, _ := p.call(t, http.MethodGet, "/api/2.0/mlflow/nothing", "")
	require.Equal(t, http.StatusNotFound, w.StatusCode, "a program must not be given a page")
}

func TestReadinessSaysYesOrNoAndNoMore(t *testing.T) {
	t.Parallel()
	p := open(t, nil, nil)
	w, body := p.call(t, http.MethodGet, "/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, w.StatusCode)
	require.NotContains(t, body, "10.0.0.7")
	p.ready.Store(true)
	w, _ = p.call(t, http.MethodGet, "/readyz", "")
	require.Equal(t, http.StatusOK, w.StatusCode)
}

func TestAnswersHaveAnIdAndTellBrowsersWhatNotToDo(t *testing.T) {
	t.Parallel()
	p := open(t, nil, nil)
	w, _ := p.call(t, http.MethodGet, "/api/slipway/v1/x", "", "X-Request-Id", "req-7")
	require.Equal(t, "req-7", w.Header.Get("X-Request-Id"))
	require.Equal(t, "nosniff", w.Header.Get("X-Content-Type-Options"))
	require.Equal(t, "DENY", w.Header.Get("X-Frame-Options"))
	require.Contains(t, w.Header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Empty(t, w.Header.Get("Strict-Transport-Security"))
	w, _ = p.call(t, http.MethodGet, "/api/slipway/v1/x", "", "X-Request-Id", "an id with spaces")
	require.NotContains(t, w.Header.Get("X-Request-Id"), " ")
	require.NotEmpty(t, w.Header.Get("X-Request-Id"))
}

func TestAHandlerThatPanicsIsAnsweredFor(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	p := open(t, func(o *front.Options) { o.Telemetry.Log = slog.New(slog.NewTextHandler(&log, nil)) }, nil)
	w, body := p.call(t, http.MethodGet, "/api/slipway/v1/panic", "")
	require.Equal(t, http.StatusInternalServerError, w.StatusCode)
	require.NotContains(t, body, "hunter2")
	var problem rest.Problem
	require.NoError(t, json.Unmarshal([]byte(body), &problem))
	require.Equal(t, "INTERNAL", problem.Code)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/api/slipway/v1/late", nil) // a GET would be tried again
	require.NoError(t, err)
	if late, err := p.client.Do(r); err == nil { // or the connection broke before the first byte
		_, err = io.ReadAll(late.Body)
		require.NoError(t, late.Body.Close())
		require.Error(t, err, "half an answer must not look like a whole one")
	}
	require.NoError(t, p.server.Shutdown(t.Context())) // the log is quiet now
	require.Equal(t, 2, strings.Count(log.String(), "hunter2"))
}

func TestWithoutTokensForeignPagesAreRefused(t *testing.T) {
	t.Parallel()
	p := open(t, func(o *front.Options) { o.Local = true }, nil)
	for name, c := range map[string]struct {
		method  string
		headers []string
		status  int
	}{
		"a program":                         {"POST", nil, 200},
		"by name":                           {"GET", []string{"Host", "localhost:8080"}, 200},
		"by address":                        {"GET", []string{"Host", "[::1]:8080"}, 200},
		"our own page":                      {"POST", []string{"Host", "localhost:8080", "Origin", "http://localhost:8080", "Sec-Fetch-Site", "same-origin"}, 200},
		"a rebound name":                    {"GET", []string{"Host", "evil.example"}, 403},
		"a name that begins like loopback":  {"GET", []string{"Host", "127.0.0.1.evil.example"}, 403},
		"a foreign page that posts":         {"POST", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		"a foreign page in an old browser":  {"POST", []string{"Origin", "https://evil.example"}, 403},
		"a foreign page that reads":         {"GET", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"a page of another port that posts": {"POST", []string{"Host", "localhost:8080", "Origin", "http://localhost:9999", "Sec-Fetch-Site", "same-site"}, 403},
	} {
		for _, path := range []string{"/api/slipway/v1/x", "/v1/chat/completions"} {
			w, body := p.call(t, c.method, path, "", c.headers...)
			require.Equal(t, c.status, w.StatusCode, "%s %s: %s", name, path, body)
		}
	}
}

func TestLoopbackIsThisMachineAndNothingElse(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:8080": true, "127.9.9.9:1": true, "[::1]:8080": true, "::1": true, "localhost": true, "LocalHost:80": true, "[::ffff:127.0.0.1]:1": true,
		"": false, ":8080": false, "0.0.0.0:8080": false, "[::]:8080": false, "10.0.0.1:8080": false, "localhost.evil.example": false, "example.com": false,
	} {
		require.Equal(t, want, front.Loopback(host), host)
	}
}

func TestThePortSpeaksHTTP2WithoutTLS(t *testing.T) {
	t.Parallel()
	p := open(t, nil, nil)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	p.client.Transport = &http.Transport{Protocols: protocols}
	w, body := p.call(t, http.MethodGet, "/api/slipway/v1/x", "")
	require.Equal(t, 2, w.ProtoMajor)
	require.Equal(t, "api", body)
}

func TestThePortSpeaksTLSAndTakesARenewedCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	issue := func() *x509.CertPool {
		require.NoError(t, link.IssueMesh(dir, []string{"gateway"}, nil))
		ca, err := os.ReadFile(filepath.Join(dir, "ca.crt")) //nolint:gosec // the test's own directory
		require.NoError(t, err)
		pool := x509.NewCertPool()
		require.True(t, pool.AppendCertsFromPEM(ca))
		return pool
	}
	first := issue()
	now := clock.NewFake(time.Now())
	certificates, err := front.Certificates(filepath.Join(dir, "gateway.crt"), filepath.Join(dir, "gateway.key"), now)
	require.NoError(t, err)
	p := open(t, func(o *front.Options) { o.TLS = true }, certificates)
	p.url = strings.Replace(p.url, "http://", "https://", 1)
	trust := func(pool *x509.CertPool) {
		p.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "gateway", MinVersion: tls.VersionTLS13}, ForceAttemptHTTP2: true}
	}
	trust(first)
	w, _ := p.call(t, http.MethodGet, "/api/slipway/v1/x", "")
	require.Equal(t, 2, w.ProtoMajor)
	require.Contains(t, w.Header.Get("Strict-Transport-Security"), "max-age")

	require.NoError(t, os.RemoveAll(filepath.Join(dir, "gateway.crt")))
	now.Advance(time.Hour)
	trust(first)
	w, _ = p.call(t, http.MethodGet, "/api/slipway/v1/x", "")
	require.Equal(t, http.StatusOK, w.StatusCode, "the last good one stays in use")
	for _, f := range []string{"ca.crt", "ca.key", "gateway.key"} {
		require.NoError(t, os.RemoveAll(filepath.Join(dir, f)))
	}
	second := issue()
	now.Advance(time.Hour)
	trust(second)
	w, _ = p.call(t, http.MethodGet, "/api/slipway/v1/x", "")
	require.Equal(t, http.StatusOK, w.StatusCode)

	_, err = front.Certificates(filepath.Join(dir, "nothing.crt"), filepath.Join(dir, "gateway.key"), now)
	require.True(t, fault.Is(err, fault.Invalid))
}

func TestADrainLetsRunningRequestsFinish(t *testing.T) {
	t.Parallel()
	reached, release := make(chan struct{}), make(chan struct{})
	p := open(t, func(o *front.Options) {
		o.Edge = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(reached)
			<-release
			_, _ = w.Write([]byte("done"))
		})
	}, nil)
	got := make(chan string, 1)
	go func() {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.url+"/v1/slow", nil)
		if err != nil {
			got <- err.Error()
			return
		}
		w, err := p.client.Do(r)
		if err != nil {
			got <- err.Error()
			return
		}
		defer w.Body.Close()
		b, _ := io.ReadAll(w.Body)
		got <- string(b)
	}()
	<-reached
	stopped := make(chan error, 1)
	go func() { stopped <- front.Shutdown(t.Context(), p.server) }()
	close(release)
	require.Equal(t, "done", <-got)
	require.NoError(t, <-stopped)
}

func TestADrainThatTakesTooLongIsCutOff(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{})
	p := open(t, func(o *front.Options) {
		o.Edge = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(reached)
			<-r.Context().Done()
		})
	}, nil)
	go func() {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.url+"/v1/slow", nil)
		if err == nil {
			if w, err := p.client.Do(r); err == nil {
				_ = w.Body.Close()
			}
		}
	}()
	<-reached
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, front.Shutdown(ctx, p.server), context.DeadlineExceeded)
}
