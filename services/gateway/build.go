package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/access"
	"github.com/slipway-ai/slipway/services/gateway/internal/api"
	"github.com/slipway-ai/slipway/services/gateway/internal/edge"
	"github.com/slipway-ai/slipway/services/gateway/internal/flow"
	"github.com/slipway-ai/slipway/services/gateway/internal/front"
	"github.com/slipway-ai/slipway/services/gateway/internal/identity"
	"github.com/slipway-ai/slipway/services/gateway/internal/journal"
	"github.com/slipway-ai/slipway/services/gateway/internal/keys"
	"github.com/slipway-ai/slipway/services/gateway/internal/limit"
	"github.com/slipway-ai/slipway/services/gateway/internal/meter"
	"github.com/slipway-ai/slipway/services/gateway/internal/providers"
	"github.com/slipway-ai/slipway/services/gateway/internal/proxy"
	"github.com/slipway-ai/slipway/services/gateway/internal/rest"
	"github.com/slipway-ai/slipway/services/gateway/internal/route"
	"github.com/slipway-ai/slipway/services/gateway/internal/ship"
	"github.com/slipway-ai/slipway/services/gateway/internal/store"
	"github.com/slipway-ai/slipway/services/gateway/internal/surface"
	"github.com/slipway-ai/slipway/services/gateway/internal/upstream"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

// The peers. A platform without gpu-runtime serves external models only.
const (
	registryPeer   = "registry"
	servingPeer    = "serving"
	monitorPeer    = "monitor"
	gpuRuntimePeer = "gpu-runtime"
)

// connect opens the connections to the peers. None is used yet.
func (svc *Service) connect(context.Context) error {
	for _, name := range []string{registryPeer, servingPeer, monitorPeer, gpuRuntimePeer} {
		if name == gpuRuntimePeer && svc.settings.Peers[name] == "" {
			continue
		}
		conn, err := svc.settings.DialPeer(Name, name)
		if err != nil {
			return err
		}
		svc.conns[name] = conn
	}
	return nil
}

// keep opens what the gateway must not forget: the store and the request log.
func (svc *Service) keep(ctx context.Context) (err error) {
	s, cfg := svc.settings, svc.cfg
	if svc.store, err = store.Open(ctx, cfg.storeURL(s.DataDir), sqlkit.Options{Log: s.Log, Tracers: s.Telemetry.Tracers}); err != nil {
		return err
	}
	svc.journal, err = journal.Open(journal.Options{
		WAL: wal.Options{
			Dir: in(s.DataDir, cfg.Log.Dir, "wal"), SegmentBytes: cfg.Log.Segment.Int64(), CapBytes: cfg.Log.Max.Int64(), IDs: s.IDs, Log: s.Log,
		},
		Lean: cfg.Log.Durability == Group, MaxBody: int(cfg.Log.KeepBody), Clock: s.Clock,
	})
	return err
}

// know builds what knows callers, grants and providers, and the verbs on them.
func (svc *Service) know(ctx context.Context) error {
	s, cfg := svc.settings, svc.cfg
	ring, err := svc.ring(ctx)
	if err != nil {
		return err
	}
	svc.identity = identity.New(identity.Options{
		Store: svc.store, Clock: s.Clock, Log: s.Log, Metrics: s.Telemetry.Metrics, TTL: cfg.Tokens.TTL.Std(), Capacity: cfg.Tokens.Cached,
	})
	svc.door = svc.identity
	if cfg.Auth == AuthNone {
		svc.door = identity.Anyone{}
	}
	svc.access = access.New(access.Options{
		Access: registryv1.NewAccessServiceClient(svc.conns[registryPeer]), Events: registryv1.NewEventServiceClient(svc.conns[registryPeer]),
		Clock: s.Clock, Log: s.Log, Metrics: s.Telemetry.Metrics, TTL: cfg.Access.TTL.Std(), Stale: cfg.Access.Stale.Std(), Capacity: cfg.Access.Cached,
	})
	svc.limiter = limit.New()
	svc.book = providers.New(svc.store, ring, s.Clock, s.Log)
	svc.principals = &flow.Principals{Store: svc.store, Identities: svc.identity, Clock: s.Clock, IDs: s.IDs}
	svc.services.principals = &api.PrincipalService{Flow: svc.principals}
	svc.services.providers = &api.ProviderService{Flow: &flow.Providers{
		Store: svc.store, Sealer: ring, Changed: svc.book.Changed, Clock: s.Clock, AllowLinkLocal: cfg.Providers.AllowLinkLocal,
		Resolve: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
	}}
	svc.services.requestLog = &api.RequestLogService{Log: svc.journal.Log()}
	return nil
}

// ring opens the keyset of the providers' keys, and gives it a new key when the newest is old.
func (svc *Service) ring(ctx context.Context) (*keys.Ring, error) {
	master, err := keys.LoadMaster(svc.cfg.Keys.Master, in(svc.settings.DataDir, svc.cfg.Keys.MasterFile, "master.key"))
	if err != nil {
		return nil, err
	}
	ring, err := keys.OpenRing(ctx, "providers", master, svc.store, svc.settings.Clock)
	if err != nil {
		return nil, err
	}
	age := svc.settings.Clock.Now().Sub(ring.RotateTime())
	if rotate := svc.cfg.Keys.Rotate.Std(); rotate > 0 && age > rotate {
		err := ring.Rotate(ctx)
		if err != nil && !fault.Is(err, fault.Aborted) { // another gateway did it in the same moment
			return nil, err
		}
		svc.log.Info("data key rotated", "age", age)
	}
	return ring, nil
}

// route builds the data plane: routes, engines, providers, the log's shipper, and the edge on top of them.
func (svc *Service) route(context.Context) error {
	s, cfg := svc.settings, svc.cfg
	svc.engines = upstream.NewEngines(func(runtime string) (*grpc.ClientConn, error) { return s.DialPeer(Name, runtime) })
	svc.outside = upstream.NewHTTP(upstream.HTTPOptions{})
	svc.router = route.New(route.Options{
		GatewayID: svc.journal.Log().Source(), Serving: svc.conns[servingPeer], Runtime: svc.engines.Conn, Clock: s.Clock, Log: s.Log,
	})
	meter.LogMetrics(s.Telemetry.Metrics, svc.journal.Log().Stats)
	svc.shipper = ship.New(ship.Options{
		Log: svc.journal.Log(), Row: svc.journal.Row, Monitor: svc.conns[monitorPeer], Clock: s.Clock, Logger: s.Log,
	})
	svc.edge = edge.New(edge.Deps{
		Auth: svc.door, Access: scoped{svc.access}, Limits: svc, Providers: addressBook{svc.book}, Routes: svc.router,
		Engines: svc.engines, HTTP: svc.outside, Prompts: servingv1.NewPromptExecutionServiceClient(svc.conns[servingPeer]),
		Journal: svc.journal, Meter: meter.New(s.Telemetry.Metrics),
		Tracer:     s.Telemetry.Tracer("github.com/slipway-ai/slipway/services/gateway/internal/edge"),
		Propagator: s.Telemetry.Propagator, Log: s.Log, Clock: s.Clock, IDs: s.IDs,
		Settings: edge.Settings{
			MaxBody: int(cfg.Limits.ModelBody), MaxAnswer: int(cfg.Limits.ModelAnswer), Timeout: cfg.Limits.ModelTimeout.Std(),
			RetryWindow: cfg.Limits.RetryWindow.Std(), KeepText: int(cfg.Log.KeepBody),
		},
	})
	return nil
}

// speak builds the two doors of the API on the table of what is public. The gateway's own services are behind them like
// everybody's: on a server of their own, reached over a pipe in this process.
func (svc *Service) speak(ctx context.Context) error {
	s, cfg := svc.settings, svc.cfg
	table, err := surface.New()
	if err != nil {
		return err
	}
	owners, err := svc.owners()
	if err != nil {
		return err
	}
	certificates, err := svc.certificates()
	if err != nil {
		return err
	}
	var creds credentials.TransportCredentials
	if certificates != nil {
		creds = credentials.NewTLS(certificates)
	}
	svc.public, err = proxy.NewServer(proxy.Options{
		Surface: table, Owners: owners, Authenticate: svc.door.AuthenticateCall, Telemetry: s.Telemetry, Creds: creds, IDs: s.IDs,
		Ready: svc.Ready, Drain: svc.drain, Deadline: cfg.Limits.APITimeout.Std(), MaxRecvBytes: int(cfg.Limits.APIBody),
	})
	if err != nil {
		return err
	}
	svc.api, err = rest.New(ctx, rest.Options{
		Surface: table, Owners: owners, Authenticate: svc.door.Authenticate, MaxBody: cfg.Limits.APIBody.Int64(), MaxArtifact: cfg.Limits.Artifact.Int64(),
		Deadline: cfg.Limits.APITimeout.Std(),
	})
	if err != nil {
		return err
	}
	svc.openapi, err = rest.OpenAPI(boot.Version())
	return err
}

// owners are the connections behind the public methods.
func (svc *Service) owners() (map[string]grpc.ClientConnInterface, error) {
	s := svc.settings
	pipe := link.NewNetwork()
	at, creds, err := pipe.Listen("inproc:"+Name, link.TLS{})
	if err != nil {
		return nil, err
	}
	svc.innerAt = at
	svc.inner, err = rpc.NewServer(rpc.ServerOptions{
		Service: Name, Log: s.Log, Telemetry: s.Telemetry, Creds: creds, TrustPeers: true, IDs: s.IDs, MaxRecvBytes: int(svc.cfg.Limits.APIBody),
		Deadline: svc.cfg.Limits.APITimeout.Std(), Drain: svc.drain,
	})
	if err != nil {
		return nil, err
	}
	svc.Register(svc.inner)
	own, err := pipe.Dial("inproc:"+Name, link.TLS{}, rpc.DialOptions(Name, s.Telemetry)...)
	if err != nil {
		return nil, err
	}
	svc.conns[surface.Self] = own
	owners := map[string]grpc.ClientConnInterface{}
	for name, conn := range svc.conns {
		owners[name] = conn
	}
	return owners, nil
}

func (svc *Service) certificates() (*tls.Config, error) {
	if svc.cfg.TLS.CertFile == "" {
		return nil, nil //nolint:nilnil // no TLS is an answer
	}
	return front.Certificates(svc.cfg.TLS.CertFile, svc.cfg.TLS.KeyFile, svc.settings.Clock)
}

// listen takes the public ports.
func (svc *Service) listen(context.Context) error {
	for _, port := range []struct {
		what, address string
		at            *net.Listener
	}{{"http", svc.cfg.HTTP, &svc.httpAt}, {"grpc", svc.cfg.GRPC, &svc.publicAt}} {
		l, err := net.Listen("tcp", port.address)
		if err != nil {
			return fault.Wrap("gateway.listen", fault.Unavailable, err, "the %s port %s cannot be taken: is another platform running?", port.what, port.address).
				WithReason("PORT_TAKEN")
		}
		*port.at = l
	}
	return nil
}
