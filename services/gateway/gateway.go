// Package gateway is the door of the gateway service, the platform's only public door: every HTTP and gRPC surface,
// principals and tokens, providers and their encrypted keys, limits, and the write-ahead log of requests. Its promise is
// that no call passes unauthenticated, unlimited, unmetered or unlogged.
//
// It has three servers. The HTTP port and the public gRPC port belong to the world; both ask who calls, look into one
// table of what is public, and hand the call on. The third is for peers (Register), and a fourth inside the process
// serves the gateway's own services to its own ports, so that they are reached through the same chain as everybody's.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/lifecycle"
	gatewayv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gateway/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/access"
	"github.com/slipway-ai/slipway/services/gateway/internal/api"
	"github.com/slipway-ai/slipway/services/gateway/internal/edge"
	"github.com/slipway-ai/slipway/services/gateway/internal/flow"
	"github.com/slipway-ai/slipway/services/gateway/internal/front"
	"github.com/slipway-ai/slipway/services/gateway/internal/identity"
	"github.com/slipway-ai/slipway/services/gateway/internal/journal"
	"github.com/slipway-ai/slipway/services/gateway/internal/limit"
	"github.com/slipway-ai/slipway/services/gateway/internal/providers"
	"github.com/slipway-ai/slipway/services/gateway/internal/rest"
	"github.com/slipway-ai/slipway/services/gateway/internal/route"
	"github.com/slipway-ai/slipway/services/gateway/internal/ship"
	"github.com/slipway-ai/slipway/services/gateway/internal/store"
	"github.com/slipway-ai/slipway/services/gateway/internal/upstream"
)

// Name is the service's name among its peers.
const Name = "gateway"

// Service is the gateway, built and not running until Start.
type Service struct {
	cfg      Config
	settings boot.Settings
	log      *slog.Logger

	store    *store.SQL
	conns    map[string]*grpc.ClientConn
	journal  *journal.Journal
	identity *identity.Authenticator
	access   *access.Cache
	limiter  *limit.Limiter
	book     *providers.Book
	router   *route.Router
	engines  *upstream.Engines
	outside  *upstream.HTTP
	shipper  *ship.Shipper
	edge     *edge.Edge
	api      *rest.API
	openapi  http.Handler

	principals *flow.Principals
	services   struct {
		principals *api.PrincipalService
		providers  *api.ProviderService
		requestLog *api.RequestLogService
	}

	ui         http.Handler
	door       doorman
	httpServer *http.Server
	public     *grpc.Server // for the world
	inner      *grpc.Server // for the two ports
	httpAt     net.Listener
	publicAt   net.Listener
	innerAt    net.Listener
	drain      chan struct{}
	drained    sync.Once

	group   *lifecycle.Group
	running atomic.Bool
	broken  atomic.Pointer[error]
	closing sync.Once
}

var _ boot.Service = (*Service)(nil)

// New opens the store, the request log and the ports, and builds everything; it serves nothing. Peers need not be up. On
// an error nothing stays open.
func New(ctx context.Context, cfg Config, s boot.Settings) (_ *Service, err error) {
	if _, err := cfg.Validate(); err != nil {
		return nil, err
	}
	svc := &Service{
		cfg: cfg, settings: s, log: s.Log, conns: map[string]*grpc.ClientConn{}, drain: make(chan struct{}), group: lifecycle.NewGroup(ctx),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, svc.close())
		}
	}()
	for _, step := range []func(context.Context) error{svc.connect, svc.keep, svc.know, svc.route, svc.speak, svc.listen} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return svc, nil
}

// Register puts the gateway's own services on the server for peers.
func (svc *Service) Register(r grpc.ServiceRegistrar) {
	gatewayv1.RegisterPrincipalServiceServer(r, svc.services.principals)
	gatewayv1.RegisterProviderServiceServer(r, svc.services.providers)
	gatewayv1.RegisterRequestLogServiceServer(r, svc.services.requestLog)
}

// MountUI serves the user interface on the paths that nothing else has. Call it before Start.
func (svc *Service) MountUI(h http.Handler) { svc.ui = h }

// HTTPAddr is where the HTTP port listens, with the port that was taken for ":0".
func (svc *Service) HTTPAddr() string { return svc.httpAt.Addr().String() }

// GRPCAddr is where the public gRPC port listens.
func (svc *Service) GRPCAddr() string { return svc.publicAt.Addr().String() }

// Start makes sure that an admin can come in, starts the loops, and opens the ports. When it fails, nothing stays open: a
// service that did not start is not stopped either.
func (svc *Service) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, svc.close())
		}
	}()
	if err := svc.principals.FirstStart(ctx, in(svc.settings.DataDir, svc.cfg.Tokens.AdminFile, "admin.token"), svc.log); err != nil {
		return err
	}
	handler, err := front.New(front.Options{
		Edge: svc.lookingEdge(), API: svc.api, OpenAPI: svc.openapi, UI: svc.ui, Authenticate: svc.door.Authenticate, Ready: svc.Ready,
		Telemetry: svc.settings.Telemetry, IDs: svc.settings.IDs, Local: svc.cfg.Auth == AuthNone, TLS: svc.cfg.TLS.CertFile != "",
	})
	if err != nil {
		return err
	}
	certificates, err := svc.certificates()
	if err != nil {
		return err
	}
	svc.httpServer = front.NewServer(handler, certificates, svc.log)
	for name, loop := range map[string]func(context.Context) error{
		"tokens": svc.identity.Run, "access": svc.access.Run, "routes": svc.router.Run, "shipper": svc.shipper.Run, "limits": svc.sweep,
	} {
		svc.group.Go(name, loop)
	}
	svc.serve("own services", func() error { return svc.inner.Serve(svc.innerAt) })
	svc.serve("public grpc", func() error { return svc.public.Serve(svc.publicAt) })
	svc.serve("http", func() error { return front.Serve(svc.httpServer, svc.httpAt) })
	svc.running.Store(true)
	svc.log.Info("ports open", "http", svc.HTTPAddr(), "grpc", svc.GRPCAddr(), "auth", string(svc.cfg.Auth))
	return nil
}

// serve runs a server. One that breaks makes the gateway not ready, which is how its supervisor hears of it.
func (svc *Service) serve(what string, run func() error) {
	svc.group.Go(what, func(context.Context) error {
		err := run()
		if err == nil || errors.Is(err, grpc.ErrServerStopped) {
			return nil
		}
		err = fault.Wrap("gateway.serve", fault.Unavailable, err, "%s stopped serving", what)
		svc.broken.Store(&err)
		svc.log.Error("a port broke", "port", what, "error", err)
		return err
	})
}

// Failed delivers the error of a loop or port that broke.
func (svc *Service) Failed() <-chan error { return svc.group.Failed() }

// Ready is nil while requests can be served: the store answers, the request log takes more, routes have come once, and the
// registry can be asked for grants.
func (svc *Service) Ready(ctx context.Context) error {
	const op = "gateway.Ready"
	if !svc.running.Load() {
		return fault.New(op, fault.Unavailable, "the gateway is not running")
	}
	if broken := svc.broken.Load(); broken != nil {
		return *broken
	}
	if err := svc.journalReady(); err != nil {
		return err
	}
	if err := svc.store.Ping(ctx); err != nil {
		return err
	}
	if err := svc.router.Ready(); err != nil {
		return err
	}
	return reachable(ctx, svc.conns["registry"])
}

const (
	// serveShare and shipShare are the parts of the time to stop that running requests get, and then the log's last rows.
	serveShare, shipShare = 0.6, 0.5
	// shipWithin bounds the wait for a monitor that may be away; the rows are safe where they are.
	shipWithin = 5 * time.Second
	forAsLong  = time.Duration(1<<63 - 1)
	// stopWithin is the time to stop when nobody says.
	stopWithin = 15 * time.Second
)

// Stop takes no new call, lets those that run come to an end, ships what the log still holds while the time lasts (what it
// cannot ship it keeps), and closes everything.
func (svc *Service) Stop(ctx context.Context) error {
	if _, set := ctx.Deadline(); !set {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, stopWithin)
		defer cancel()
	}
	was := svc.running.Swap(false)
	svc.drained.Do(func() { close(svc.drain) })
	if was {
		svc.shut(ctx)
		within, cancel := share(ctx, shipShare, shipWithin)
		if derr := svc.shipper.Drain(within); derr != nil {
			svc.log.Warn("rows stay in the request log", "error", derr)
		}
		cancel()
	}
	return errors.Join(svc.group.Stop(ctx), svc.close())
}

// shut ends the public ports together, and then the server behind them.
func (svc *Service) shut(ctx context.Context) {
	ctx, cancel := share(ctx, serveShare, forAsLong)
	defer cancel()
	var ports sync.WaitGroup
	ports.Go(func() {
		if err := front.Shutdown(ctx, svc.httpServer); err != nil {
			svc.log.Warn("requests were cut off", "port", "http", "error", err)
		}
	})
	ports.Go(func() {
		if !graceful(ctx, svc.public) {
			svc.log.Warn("requests were cut off", "port", "grpc", "error", ctx.Err())
		}
	})
	ports.Wait()
	svc.inner.Stop()
}

// graceful lets a server's calls finish within ctx and cuts off the rest. It reports whether all finished.
func graceful(ctx context.Context, s *grpc.Server) bool {
	done := make(chan struct{})
	go func() {
		s.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		s.Stop()
		<-done
		return false
	}
}

// share is a part of the time that ctx has left, at most a given time.
func share(ctx context.Context, part float64, most time.Duration) (context.Context, context.CancelFunc) {
	end, _ := ctx.Deadline() // Stop has made sure of one
	return context.WithTimeout(ctx, min(most, time.Duration(part*float64(time.Until(end)))))
}

// close lets go of what New opened, in reverse.
func (svc *Service) close() (err error) {
	svc.closing.Do(func() {
		for _, l := range []net.Listener{svc.httpAt, svc.publicAt, svc.innerAt} {
			if l != nil {
				_ = l.Close() // one that served is closed already
			}
		}
		for _, s := range []*grpc.Server{svc.public, svc.inner} {
			if s != nil {
				s.Stop()
			}
		}
		if svc.outside != nil {
			svc.outside.Close()
		}
		if svc.engines != nil {
			err = errors.Join(err, svc.engines.Close())
		}
		for _, c := range svc.conns {
			err = errors.Join(err, c.Close())
		}
		if svc.journal != nil {
			err = errors.Join(err, svc.journal.Close())
		}
		if svc.store != nil {
			err = errors.Join(err, svc.store.Close())
		}
	})
	return err
}
