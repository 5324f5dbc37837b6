// Package serving is the door of the serving service: endpoints, the revisions behind them, and the models these stand
// on. Its promise is that a change of configuration drops no request: the old revision serves until the new one has
// answered, all routes change in one commit, and what nobody routes to any more is drained last.
package serving

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/lifecycle"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/serving/internal/api"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
	"github.com/slipway-ai/slipway/services/serving/internal/flow"
	"github.com/slipway-ai/slipway/services/serving/internal/peer"
	"github.com/slipway-ai/slipway/services/serving/internal/prompt"
	"github.com/slipway-ai/slipway/services/serving/internal/store/sqlstore"
	"github.com/slipway-ai/slipway/services/serving/internal/work"
)

// Name is the service's name among its peers.
const Name = "serving"

// Service is serving, built and not yet running until Start.
type Service struct {
	store   *sqlstore.Store
	conns   []*grpc.ClientConn
	table   *work.Table
	loops   []loop
	group   *lifecycle.Group
	running atomic.Bool
	closing sync.Once

	endpoints *api.Endpoints
	prompts   *api.Prompts
	routes    *api.Routes
}

type loop struct {
	name string
	run  func(ctx context.Context) error
}

var _ boot.Service = (*Service)(nil)

// New opens the store and builds everything; it starts nothing. Peers need not be up.
func New(ctx context.Context, cfg Config, s boot.Settings) (_ *Service, err error) {
	if _, err := cfg.Validate(); err != nil {
		return nil, err
	}
	svc := &Service{}
	defer func() {
		if err != nil {
			err = errors.Join(err, svc.close())
		}
	}()
	url := cfg.Store.URL.Reveal()
	if url == "" {
		url = "sqlite://" + filepath.ToSlash(filepath.Join(s.DataDir, "serving.db"))
	}
	if svc.store, err = sqlstore.Open(ctx, url, sqlkit.Options{Log: s.Log, Tracers: s.Telemetry.Tracers}); err != nil {
		return nil, err
	}
	registry, err := svc.dial(s, "registry")
	if err != nil {
		return nil, err
	}
	runtime, err := svc.dial(s, cfg.Runtime)
	if err != nil {
		return nil, err
	}
	return svc, svc.assemble(cfg, s, url, peer.NewRegistry(registry), peer.NewRuntime(runtime))
}

func (svc *Service) dial(s boot.Settings, name string) (*grpc.ClientConn, error) {
	conn, err := s.DialPeer(Name, name)
	if err != nil {
		return nil, err
	}
	svc.conns = append(svc.conns, conn)
	return conn, nil
}

// assemble wires the parts. The arrows are those of package work's comment.
func (svc *Service) assemble(cfg Config, s boot.Settings, url string, registry *peer.Registry, runtime *peer.Runtime) error {
	metrics, err := work.NewMetrics(s.Telemetry.Metrics)
	if err != nil {
		return err
	}
	svc.table = work.NewTable(svc.store, s.Clock, s.Log, cfg.TablePoll.Std(), cfg.AckTimeout.Std()+cfg.Linger.Std())
	reconciler := &work.Reconciler{
		Store: svc.store, Runtime: runtime, Registry: registry, Routed: svc.table.Kick, Clock: s.Clock, IDs: s.IDs, Log: s.Log,
		Tracer: s.Telemetry.Tracer("github.com/slipway-ai/slipway/services/serving"), Metrics: metrics, Replica: cfg.replica(url, s), Settings: cfg.settings(),
	}
	verbs := flow.New(flow.Deps{
		Store: svc.store, Registry: registry, Routes: svc.table, Prompts: prompt.NewCache(svc.store, cfg.Templates),
		Clock: s.Clock, IDs: s.IDs, Log: s.Log,
		Changed: func(endpoint string) {
			svc.table.Kick()
			reconciler.Wake(endpoint)
		},
		Settings: flow.Settings{
			InstancePrefix: cfg.InstancePrefix, Runtime: cfg.Runtime, PublishWait: cfg.PublishWait.Std(), DeleteWait: cfg.DeleteWait.Std(),
		},
	})
	reconciler.Verbs = verbs
	reconciler.Observer = work.NewObserver(runtime, s.Clock, s.Log, cfg.InstancePrefix, reconciler.News)
	reconciler.Init()
	gateways := &work.Gateways{
		// A process of its own even where the reconciler's name is the same after a restart: the streams of the one before
		// are not ours to prolong.
		Store: svc.store, Table: svc.table, Clock: s.Clock, IDs: s.IDs, Log: s.Log, Replica: s.IDs.New(), Grace: cfg.GatewayGrace.Std(),
		Acked: reconciler.WakeAll,
	}
	follower := &work.Follower{
		Registry: registry, Store: svc.store, Clock: s.Clock, Log: s.Log, Silence: 3 * heartbeat, Wake: reconciler.Wake, Forget: verbs.ForgetDecisions,
	}
	svc.endpoints, svc.prompts, svc.routes = api.NewEndpoints(verbs), api.NewPrompts(verbs), api.NewRoutes(gateways)
	svc.loops = []loop{
		{"table", svc.table.Run},
		{"gateways", gateways.Run},
		{"observer", func(ctx context.Context) error { return reconciler.Observer.Run(flow.Self(ctx)) }},
		{"reconciler", reconciler.Run},
		{"follower", follower.Run},
	}
	return nil
}

// Register puts the services on a server.
func (svc *Service) Register(r grpc.ServiceRegistrar) {
	servingv1.RegisterEndpointServiceServer(r, svc.endpoints)
	servingv1.RegisterPromptExecutionServiceServer(r, svc.prompts)
	servingv1.RegisterRouteServiceServer(r, svc.routes)
}

// Start starts the loops. The routing table is there when it returns, so that the first gateway gets it at once.
func (svc *Service) Start(ctx context.Context) error {
	if err := svc.table.Load(ctx); err != nil {
		return err
	}
	svc.group = lifecycle.NewGroup(ctx)
	for _, l := range svc.loops {
		svc.group.Go(l.name, l.run)
	}
	svc.running.Store(true)
	return nil
}

// Ready is nil when the service can answer. It does not ask for its peers: endpoints that serve go on without them.
func (svc *Service) Ready(ctx context.Context) error {
	if !svc.running.Load() {
		return fault.New("serving.Ready", fault.Unavailable, "serving is not running")
	}
	return svc.store.Ping(ctx)
}

// Failed delivers the error of a loop that broke.
func (svc *Service) Failed() <-chan error { return svc.group.Failed() }

// Stop ends the loops and closes everything. Models stay loaded and go on answering: stopping serving is no reason to stop
// what it serves.
func (svc *Service) Stop(ctx context.Context) error {
	svc.running.Store(false)
	var err error
	if svc.group != nil {
		err = svc.group.Stop(ctx)
	}
	return errors.Join(err, svc.close())
}

func (svc *Service) close() (err error) {
	svc.closing.Do(func() {
		for _, c := range svc.conns {
			err = errors.Join(err, c.Close())
		}
		if svc.store != nil {
			err = errors.Join(err, svc.store.Close())
		}
	})
	return err
}

// replica is the name that leases are held under.
func (c Config) replica(url string, s boot.Settings) string {
	switch {
	case c.Replica != "":
		return c.Replica
	case strings.HasPrefix(url, "sqlite:"):
		return "local" // there is one; after a crash it need not wait for its own leases
	}
	return s.IDs.New()
}

func (c Config) settings() work.Settings {
	return work.Settings{
		Limits: domain.Limits{LoadTimeout: c.LoadTimeout.Std(), AckTimeout: c.AckTimeout.Std(), Linger: c.Linger.Std(), RuntimeGrace: c.RuntimeGrace.Std()},
		Drain:  c.DrainTimeout.Std(), ProbeTimeout: c.ProbeTimeout.Std(), ProbeAttempts: c.ProbeAttempts, Lease: c.Lease.Std(), Resync: c.Resync.Std(),
		Retry: firstRetry, RetryLongest: longestRetry, Workers: c.Workers,
	}
}
