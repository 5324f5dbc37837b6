package front

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	headerWithin = 10 * time.Second // for a request's headers to arrive
	idleFor      = 2 * time.Minute  // a kept connection waits for its next request
	maxHeader    = 64 << 10
)

// NewServer is the server of the port: HTTP/1.1, and HTTP/2 with and without TLS. It has no time limit for bodies and
// answers, because streams are as long as they are; handlers that take small bodies limit those themselves.
func NewServer(h http.Handler, certificates *tls.Config, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: h, TLSConfig: certificates, Protocols: protocols,
		ReadHeaderTimeout: headerWithin, IdleTimeout: idleFor, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // broken handshakes and the like: strangers' doing
	}
}

// Serve serves until the server is shut down, which is no error.
func Serve(s *http.Server, l net.Listener) error {
	var err error
	if s.TLSConfig != nil {
		err = s.ServeTLS(l, "", "")
	} else {
		err = s.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown takes no new request, lets those that run come to an end within ctx, and then cuts them off.
func Shutdown(ctx context.Context, s *http.Server) error {
	err := s.Shutdown(ctx)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}
