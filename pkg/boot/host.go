package boot

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/lifecycle"
	"github.com/slipway-ai/slipway/pkg/rpc"
)

const (
	defaultGrace    = 15 * time.Second
	defaultDeadline = 30 * time.Second
)

// Tuner is a Service that knows better about its own server: what is public, how calls are limited, how large a message
// may be. Tune sees the options that Host would use.
type Tuner interface{ Tune(o *rpc.ServerOptions) }

// Host is one service behind one gRPC listener.
type Host struct {
	name     string
	service  Service
	server   *grpc.Server
	listener net.Listener
	grace    time.Duration
	failed   chan error
	drain    chan struct{}
	drained  sync.Once
}

// HostOptions are the few things about a host that are not the service's.
type HostOptions struct {
	Name     string        // of the service
	Listen   string        // address, as link.Listen takes it
	Grace    time.Duration // for calls to finish at the stop; 0 is 15 s
	Deadline time.Duration // of unary calls that come without one; 0 is 30 s
	MaxRecv  int           // largest message in bytes; 0 is the server's default
}

// NewHost listens and builds the server. It serves nothing until its module starts; on an error nothing stays open.
// Forwarded principals are believed, when the connection is in-process, of the same user, or mutually verified by TLS.
func NewHost(o HostOptions, svc Service, s Settings) (*Host, error) {
	h := &Host{name: o.Name, service: svc, grace: o.Grace, failed: make(chan error, 1), drain: make(chan struct{})}
	if h.grace <= 0 {
		h.grace = defaultGrace
	}
	if o.Deadline <= 0 {
		o.Deadline = defaultDeadline
	}
	l, creds, err := s.Net.Listen(o.Listen, s.TLS)
	if err != nil {
		return nil, err
	}
	so := rpc.ServerOptions{
		Service: o.Name, Log: s.Log, Telemetry: s.Telemetry, Creds: creds, TrustPeers: true,
		MaxRecvBytes: o.MaxRecv, Deadline: o.Deadline, IDs: s.IDs, Ready: svc.Ready, Drain: h.drain,
	}
	if t, ok := svc.(Tuner); ok {
		t.Tune(&so)
	}
	if h.server, err = rpc.NewServer(so); err != nil {
		_ = l.Close()
		return nil, err
	}
	svc.Register(h.server)
	h.listener = l
	return h, nil
}

// Addr is where the host listens, with the port that was taken for ":0".
func (h *Host) Addr() string { return h.listener.Addr().String() }

// Module is the host in a lifecycle table: it runs once the service has started and its server serves.
func (h *Host) Module(needs ...string) lifecycle.Module {
	return lifecycle.Module{
		Name: h.name, Needs: needs, Start: h.start, Stop: h.stop, Ready: h.service.Ready,
		Failed: func() <-chan error { return h.failed },
	}
}

// Close lets go of the listener of a host that never started.
func (h *Host) Close() error { return h.listener.Close() }

func (h *Host) start(ctx context.Context) error {
	if err := h.service.Start(ctx); err != nil {
		return errors.Join(err, h.listener.Close(), h.service.Stop(context.WithoutCancel(ctx)))
	}
	go func() {
		if err := h.server.Serve(h.listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			h.failed <- fault.Wrap("boot.Serve", fault.Unavailable, err, "%s stopped serving", h.name)
		}
	}()
	return nil
}

// stop stops accepting, tells watchers to leave, lets calls finish within the grace, cuts off the rest, and then stops
// the service, whose calls are over by now.
func (h *Host) stop(ctx context.Context) error {
	h.drained.Do(func() { close(h.drain) })
	graceful := make(chan struct{})
	go func() {
		h.server.GracefulStop()
		close(graceful)
	}()
	grace := time.NewTimer(h.grace)
	defer grace.Stop()
	select {
	case <-graceful:
	case <-grace.C:
		h.server.Stop()
	case <-ctx.Done():
		h.server.Stop()
	}
	<-graceful
	return h.service.Stop(ctx)
}
