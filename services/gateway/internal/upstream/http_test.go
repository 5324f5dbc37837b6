package upstream_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/upstream"
)

func client(t *testing.T, o upstream.HTTPOptions) *upstream.HTTP {
	t.Helper()
	h := upstream.NewHTTP(o)
	t.Cleanup(h.Close)
	return h
}

// serve runs a true HTTP server and counts its connections.
func serve(t *testing.T, handler http.HandlerFunc) (url string, connections *atomic.Int64) {
	t.Helper()
	connections = new(atomic.Int64)
	s := httptest.NewUnstartedServer(handler)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, connections
}

// raw answers each connection by hand.
func raw(t *testing.T, answer func(n int, c net.Conn, request *bufio.Reader)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = c.Close() }()
				answer(n, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return "http://" + l.Addr().String()
}

func read(t *testing.T, a *upstream.Answer) string {
	t.Helper()
	body, err := io.ReadAll(a.Body)
	require.NoError(t, err)
	require.NoError(t, a.Body.Close())
	return string(body)
}

func TestACallCarriesWhatItMust(t *testing.T) {
	t.Parallel()
	url, connections := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprintf(w, "%s %s %s %s %s %s %s %s", r.Method, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Accept"),
			r.Header.Get("X-Request-Id"), r.Header.Get("Traceparent"), r.Header.Get("Content-Type"), body)
	})
	h := client(t, upstream.HTTPOptions{})
	for range 3 {
		a, err := h.Do(t.Context(), &upstream.Call{
			BaseURL: url + "/v1/", Path: "/chat/completions", Key: "sk-1", Body: []byte("{}"), RequestID: "r", Traceparent: "00-1", Stream: true,
		})
		require.NoError(t, err)
		require.Equal(t, http.StatusTeapot, a.Status)
		require.Equal(t, "7", a.Header.Get("Retry-After"))
		require.Equal(t, "POST /v1/chat/completions Bearer sk-1 text/event-stream r 00-1 application/json {}", read(t, a))
	}
	require.EqualValues(t, 1, connections.Load(), "the connection is kept")
}

func TestBodiesOfAllSizesAndFramingsArrive(t *testing.T) {
	t.Parallel()
	url, connections := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("X-Request-Id") == "chunked" {
			w.(http.Flusher).Flush()
		}
		_, _ = w.Write(body)
	})
	h := client(t, upstream.HTTPOptions{})
	for _, size := range []int{0, 1, 16 << 10, 17 << 10, 3 << 20} {
		for _, framing := range []string{"length", "chunked"} {
			body := strings.Repeat("x", size)
			a, err := h.Do(t.Context(), &upstream.Call{BaseURL: url, Path: "/", Body: []byte(body), RequestID: framing})
			require.NoError(t, err)
			require.Equal(t, len(body), len(read(t, a)))
		}
	}
	require.EqualValues(t, 1, connections.Load())
}

func TestAnAnswerIsReadAsItArrives(t *testing.T) {
	t.Parallel()
	step := make(chan struct{})
	url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			<-step
		}
	})
	a, err := client(t, upstream.HTTPOptions{}).Do(t.Context(), &upstream.Call{BaseURL: url, Path: "/"})
	require.NoError(t, err)
	buf := make([]byte, 100)
	for i := range 3 {
		n, err := a.Body.Read(buf)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("data: %d\n\n", i), string(buf[:n]))
		step <- struct{}{}
	}
	require.Empty(t, read(t, a))
}

func TestACallerWhoGoesAwayEndsTheCall(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{}, 9)
	began := make(chan struct{}, 9)
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/stream" {
			_, _ = io.WriteString(w, "data: 1\n\n")
			w.(http.Flusher).Flush()
		}
		began <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	})
	h := client(t, upstream.HTTPOptions{})

	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	_, err := h.Do(ctx, &upstream.Call{BaseURL: url, Path: "/"})
	require.True(t, fault.Is(err, fault.Canceled), "%v", err)
	<-gone

	ctx, cancel = context.WithCancel(t.Context())
	a, err := h.Do(ctx, &upstream.Call{BaseURL: url, Path: "/stream"})
	require.NoError(t, err)
	<-began
	cancel()
	_, err = io.ReadAll(a.Body)
	require.Error(t, err)
	<-gone

	_, err = h.Do(t.Context(), &upstream.Call{BaseURL: url, Path: "/", Deadline: time.Now().Add(20 * time.Millisecond)})
	require.True(t, fault.Is(err, fault.DeadlineExceeded), "%v", err)
	<-gone

	a, err = h.Do(t.Context(), &upstream.Call{BaseURL: url, Path: "/stream", Deadline: time.Now().Add(20 * time.Millisecond)})
	require.NoError(t, err)
	_, err = io.ReadAll(a.Body)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	<-gone

	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = h.Do(ctx, &upstream.Call{BaseURL: url, Path: "/"})
	require.True(t, fault.Is(err, fault.DeadlineExceeded), "%v", err)
	<-gone
}

func TestClosingEarlyHangsUp(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	url, connections := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		if r.URL.Path == "/wait" {
			<-r.Context().Done()
			close(gone)
		}
	})
	h := client(t, upstream.HTTPOptions{})
	a, err := h.Do(t.Context(), &upstream.Call{BaseURL: url, Path: "/wait"})
	require.NoError(t, err)
	require.NoError(t, a.Body.Close())
	<-gone
	a, err = h.Do(t.Context(), &upstream.Call{BaseURL: url, Path: "/"})
	require.NoError(t, err)
	require.Equal(t, "data: 1\n\n", read(t, a))
	require.EqualValues(t, 2, connections.Load(), "a connection with half an answer in it is not kept")
}

func TestAKeptConnectionThatDiedIsReplaced(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	url := raw(t, func(n int, c net.Conn, request *bufio.Reader) {
		r, err := http.ReadRequest(request)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n)
		if n == 0 {
			_ = c.Close()
			close(closed)
			return
		}
		_, _ = io.Copy(io.Discard, request)
	})
	h := client(t, upstream.HTTPOptions{})
	call := &upstream.Call{BaseURL: url, Path: "/", Body: []byte("{}")}
	a, err := h.Do(t.Context(), call)
	require.NoError(t, err)
	require.Equal(t, "0", read(t, a))
	<-closed
	a, err = h.Do(t.Context(), call)
	require.NoError(t, err)
	require.Equal(t, "1", read(t, a))
}

func TestWhatIsNoAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"nothing":         "",
		"not HTTP":        "SSH-2.0-OpenSSH\r\n",
		"half a head":     "HTTP/1.1 200 OK\r\nContent-",
		"an endless head": "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Junk: "+strings.Repeat("y", 1000)+"\r\n", 1000),
		"only interims":   strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 10),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := raw(t, func(_ int, c net.Conn, request *bufio.Reader) {
				if r, err := http.ReadRequest(request); err == nil {
					_, _ = io.Copy(io.Discard, r.Body)
				}
				_, _ = io.WriteString(c, answer)
			})
			_, err := client(t, upstream.HTTPOptions{}).Do(t.Context(), &upstream.Call{BaseURL: url, Path: "/", Body: []byte("{}")})
			require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
		})
	}
	_, err := client(t, upstream.HTTPOptions{}).Do(t.Context(), &upstream.Call{BaseURL: "http://127.0.0.1:1", Path: "/"})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
}

func TestInterimAnswersArePassedOver(t *testing.T) {
	t.Parallel()
	url := raw(t, func(_ int, c net.Conn, request *bufio.Reader) {
		_, _ = http.ReadRequest(request)
		_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")
	})
	a, err := client(t, upstream.HTTPOptions{}).Do(t.Context(), &upstream.Call{BaseURL: url, Path: "/"})
	require.NoError(t, err)
	require.Equal(t, "hello", read(t, a))
}

func TestAnEarlyRefusalIsAnAnswer(t *testing.T) {
	t.Parallel()
	url := raw(t, func(_ int, c net.Conn, request *bufio.Reader) {
		_, _ = http.ReadRequest(request) // the head; the body is left unread
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, io.LimitReader(request, 1<<20))
	})
	a, err := client(t, upstream.HTTPOptions{}).Do(t.Context(), &upstream.Call{BaseURL: url, Path: "/", Body: make([]byte, 64<<10)})
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestEntityTooLarge, a.Status)
	require.Equal(t, "no", read(t, a))
}

func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "secret") }))
	t.Cleanup(s.Close)
	_, err := client(t, upstream.HTTPOptions{}).Do(t.Context(), &upstream.Call{BaseURL: s.URL, Path: "/"})
	require.True(t, fault.Is(err, fault.Unavailable), "an unknown authority: %v", err)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	h := client(t, upstream.HTTPOptions{TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	for range 2 {
		a, err := h.Do(t.Context(), &upstream.Call{BaseURL: s.URL, Path: "/"})
		require.NoError(t, err)
		require.Equal(t, "secret", read(t, a))
	}
}

func TestMisconfiguredProvidersAreNamed(t *testing.T) {
	t.Parallel()
	h := client(t, upstream.HTTPOptions{})
	for _, base := range []string{"", "ftp://x", "://", "http://"} {
		_, err := h.Do(t.Context(), &upstream.Call{BaseURL: base, Path: "/"})
		require.True(t, fault.Is(err, fault.FailedPrecondition), "%s: %v", base, err)
	}
	url, _ := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, err := h.Do(t.Context(), &upstream.Call{BaseURL: url, Path: "/", Key: "a\r\nX-Evil: 1"})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "Evil", "a key is in no error")
}

func TestManyCallersShareConnections(t *testing.T) {
	t.Parallel()
	url, connections := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})
	h := client(t, upstream.HTTPOptions{MaxIdle: 4, IdleTimeout: time.Minute})
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 100 {
				want := fmt.Sprint(w, "/", i)
				a, err := h.Do(t.Context(), &upstream.Call{BaseURL: url, Path: "/", Body: []byte(want)})
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(a.Body)
				_ = a.Body.Close()
				if err != nil || string(body) != want {
					t.Errorf("%q %v, want %q", body, err, want)
					return
				}
			}
		})
	}
	all.Wait()
	require.Less(t, connections.Load(), int64(400))
}
