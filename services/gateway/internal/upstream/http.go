package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
)

// HTTPOptions of an HTTP client. The zero value of each field means its default.
type HTTPOptions struct {
	TLS         *tls.Config   // to verify providers by; the system's roots
	DialTimeout time.Duration // 10 s
	IdleTimeout time.Duration // after which a kept connection is not used again; 60 s
	MaxIdle     int           // kept connections per provider; 256
}

// HTTP calls providers and keeps their connections.
type HTTP struct {
	opt    HTTPOptions
	dialer net.Dialer

	mu      sync.RWMutex
	targets map[string]*target // by base URL
	closed  bool
}

// NewHTTP returns a client without connections.
func NewHTTP(o HTTPOptions) *HTTP {
	if o.DialTimeout <= 0 {
		o.DialTimeout = 10 * time.Second
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = time.Minute
	}
	if o.MaxIdle <= 0 {
		o.MaxIdle = 256
	}
	return &HTTP{opt: o, dialer: net.Dialer{Timeout: o.DialTimeout}, targets: map[string]*target{}}
}

// Call is one POST to a provider.
type Call struct {
	BaseURL     string // such as https://api.openai.com/v1
	Path        string // such as /chat/completions
	Key         config.Secret
	Body        []byte
	Stream      bool // an event stream is wanted
	RequestID   string
	Deadline    time.Time // for the head and for the body; zero is none
	Traceparent string
	Tracestate  string
}

// Answer is what came back. Its body must be closed.
type Answer struct {
	Status        int
	Header        http.Header
	ContentLength int64 // -1 when it is not known
	Body          io.ReadCloser
}

const op = "upstream.HTTP"

// Do sends a call and returns when the answer's head has come. ctx governs the body too: when it ends, or the call's deadline
// passes, reads fail.
func (h *HTTP) Do(ctx context.Context, c *Call) (*Answer, error) {
	t, err := h.target(c.BaseURL)
	if err != nil {
		return nil, err
	}
	conn, err := t.get(ctx, c)
	if err != nil {
		return nil, failure(ctx, err)
	}
	answer, err := conn.exchange(ctx, c)
	if err == nil {
		return answer, nil
	}
	conn.close()
	// A kept connection may have been closed by the other side in the very moment it was taken. Nothing of an answer has come
	// then, and a new connection tells for sure.
	if !conn.used || conn.heard || ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, failure(ctx, err)
	}
	t.drop()
	if conn, err = t.dial(ctx, c); err != nil {
		return nil, failure(ctx, err)
	}
	if answer, err = conn.exchange(ctx, c); err != nil {
		conn.close()
		return nil, failure(ctx, err)
	}
	return answer, nil
}

// failure makes a fault of what went wrong before an answer came.
func failure(ctx context.Context, err error) error {
	if known := (*fault.Error)(nil); errors.As(err, &known) {
		return err
	}
	switch cause := ctx.Err(); {
	case errors.Is(cause, context.Canceled):
		return fault.Wrap(op, fault.Canceled, err, "the request was cancelled")
	case cause != nil || errors.Is(err, os.ErrDeadlineExceeded):
		return fault.Wrap(op, fault.DeadlineExceeded, err, "the provider did not answer in time").WithReason("PROVIDER_TIMEOUT")
	}
	return fault.Wrap(op, fault.Unavailable, err, "the provider cannot be reached").WithReason("PROVIDER_UNREACHABLE")
}

// target finds the connections of a base URL, which is parsed once.
func (h *HTTP) target(base string) (*target, error) {
	h.mu.RLock()
	t := h.targets[base]
	h.mu.RUnlock()
	if t != nil {
		return t, nil
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fault.Wrap(op, fault.FailedPrecondition, err, "the provider's base URL is not an http or https URL").WithReason("PROVIDER_MISCONFIGURED")
	}
	t = &target{client: h, host: u.Host, path: strings.TrimRight(u.EscapedPath(), "/"), address: u.Host}
	if u.Port() == "" {
		t.address = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	if u.Scheme == "https" {
		t.tls = h.opt.TLS.Clone()
		if t.tls == nil {
			t.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		t.tls.ServerName, t.tls.NextProtos = u.Hostname(), []string{"http/1.1"}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.targets[base]; old != nil {
		return old, nil
	}
	h.targets[base] = t
	return t, nil
}

// Close closes the kept connections. Calls under way finish.
func (h *HTTP) Close() {
	h.mu.Lock()
	h.closed = true
	targets := h.targets
	h.targets = map[string]*target{}
	h.mu.Unlock()
	for _, t := range targets {
		t.drop()
	}
}

// target is one provider's address and the connections that are kept to it, the last used on top.
type target struct {
	client  *HTTP
	host    string
	address string
	path    string
	tls     *tls.Config

	mu   sync.Mutex
	idle []*conn
}

func (t *target) get(ctx context.Context, c *Call) (*conn, error) {
	t.mu.Lock()
	for n := len(t.idle); n > 0; n = len(t.idle) {
		kept := t.idle[n-1]
		t.idle = t.idle[:n-1]
		if time.Since(kept.since) < t.client.opt.IdleTimeout {
			t.mu.Unlock()
			return kept, nil
		}
		kept.close()
	}
	t.mu.Unlock()
	return t.dial(ctx, c)
}

func (t *target) put(c *conn) {
	c.used, c.since = true, time.Now()
	t.client.mu.RLock()
	closed := t.client.closed
	t.client.mu.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if closed || len(t.idle) >= t.client.opt.MaxIdle {
		c.close()
		return
	}
	t.idle = append(t.idle, c)
}

// drop closes the kept connections: one of them was found dead, and its neighbours are likely to be.
func (t *target) drop() {
	t.mu.Lock()
	idle := t.idle
	t.idle = nil
	t.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
}

func (t *target) dial(ctx context.Context, c *Call) (*conn, error) {
	if !c.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, c.Deadline)
		defer cancel()
	}
	raw, err := t.client.dialer.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	if t.tls != nil {
		secure := tls.Client(raw, t.tls)
		ctx, cancel := context.WithTimeout(ctx, t.client.opt.DialTimeout)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
		raw = secure
	}
	return newConn(t, raw), nil
}

// head writes a request's first lines. Values that could end a line early do not get into one.
func (t *target) head(dst []byte, c *Call) ([]byte, error) {
	dst = append(append(append(append(dst, "POST "...), t.path...), c.Path...), " HTTP/1.1\r\nHost: "...)
	dst = append(append(dst, t.host...), "\r\nContent-Type: application/json\r\nAccept: "...)
	if c.Stream {
		dst = append(dst, "text/event-stream"...)
	} else {
		dst = append(dst, "application/json"...)
	}
	dst = strconv.AppendInt(append(dst, "\r\nUser-Agent: slipway-gateway\r\nContent-Length: "...), int64(len(c.Body)), 10)
	key := c.Key.Reveal()
	if key != "" {
		key = "Bearer " + key
	}
	for _, f := range [...]struct{ name, value string }{
		{"Authorization", key}, {"X-Request-Id", c.RequestID}, {"Traceparent", c.Traceparent}, {"Tracestate", c.Tracestate},
	} {
		if f.value == "" {
			continue
		}
		if strings.ContainsAny(f.value, "\r\n\x00") {
			return dst, fault.New(op, fault.FailedPrecondition, "the provider's key holds characters that cannot be sent").WithReason("PROVIDER_MISCONFIGURED")
		}
		dst = append(append(append(append(dst, "\r\n"...), f.name...), ": "...), f.value...)
	}
	return append(dst, "\r\n\r\n"...), nil
}
