package work

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
	"github.com/slipway-ai/slipway/services/serving/internal/flow"
)

// Store is what a Reconciler needs of serving's memory; package store says what it promises.
type Store interface {
	ByID(ctx context.Context, id string) (*domain.Endpoint, error)
	Change(ctx context.Context, id, holder string, f func(e *domain.Endpoint) (bool, error), templates ...domain.Template) (*domain.Endpoint, error)
	Remove(ctx context.Context, id string) error
	Unsettled(ctx context.Context) ([]string, error)
	Instances(ctx context.Context) (map[string][]domain.Instance, error)
	Applied(ctx context.Context, now time.Time) (lowest int64, connected int, err error)
	Claim(ctx context.Context, endpoint, holder string, now, until time.Time) (bool, error)
	Release(ctx context.Context, endpoint, holder string) error
}

// Runtime is where instances live.
type Runtime interface {
	Load(ctx context.Context, i domain.Instance) (domain.Sighting, error)
	Unload(ctx context.Context, id string, drain time.Duration) error
	Probe(ctx context.Context, id string) error
}

// Registry is what a Reconciler tells the registry.
type Registry interface {
	Register(ctx context.Context, endpoint, owner string) error
	Unregister(ctx context.Context, endpoint string) error
	Lineage(ctx context.Context, edges []domain.Edge) error
}

// Verbs are what a Reconciler has done by the verbs that users have too.
type Verbs interface {
	FollowAliases(ctx context.Context, e *domain.Endpoint, holder string) error
	Stamp() domain.Stamp
}

// Settings are the bounds of a Reconciler.
type Settings struct {
	Limits        domain.Limits
	Drain         time.Duration // for the requests that an instance still answers when it is unloaded
	ProbeTimeout  time.Duration // for one probe
	ProbeAttempts int           // before an instance that does not answer counts as broken
	Lease         time.Duration // how long a replica that died still acts on an endpoint, as others see it
	Resync        time.Duration // between sweeps
	Retry         time.Duration // first pause after a failed step; it doubles up to RetryLongest
	RetryLongest  time.Duration
	Workers       int // endpoints that are acted on at the same time
}

// Reconciler brings endpoints up, keeps them up and carries off what is left of them. One worker per endpoint that is not
// settled plans and steps; between replicas a lease says whose.
type Reconciler struct {
	Store    Store
	Runtime  Runtime
	Registry Registry
	Verbs    Verbs
	Observer *Observer
	Routed   func() // told when the routing table may have changed
	Clock    clock.Clock
	IDs      id.Source
	Log      *slog.Logger
	Tracer   trace.Tracer
	Metrics  *Metrics
	Replica  string
	Settings Settings

	mu      sync.Mutex
	ctx     context.Context // of Run; nil while it does not run
	workers map[string]chan struct{}
	owners  map[string]string // instance to endpoint, as last read
	wait    sync.WaitGroup
	slots   chan struct{}
	sweeps  chan struct{}
}

// Init makes what Run needs. It is apart from Run because news may come before Run begins.
func (r *Reconciler) Init() {
	r.workers, r.owners = map[string]chan struct{}{}, map[string]string{}
	r.slots = make(chan struct{}, max(r.Settings.Workers, 1))
	r.sweeps = make(chan struct{}, 1)
}

// Run reconciles until ctx ends, and returns when every worker has stopped.
func (r *Reconciler) Run(ctx context.Context) error {
	ctx = flow.Self(ctx)
	r.mu.Lock()
	r.ctx = ctx
	r.mu.Unlock()
	defer r.wait.Wait()
	tick := r.Clock.NewTicker(r.Settings.Resync)
	defer tick.Stop()
	for {
		if err := r.sweep(ctx); err != nil && ctx.Err() == nil {
			r.Log.WarnContext(ctx, "sweep failed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C():
		case <-r.sweeps:
		}
	}
}

// Wake has the endpoint looked at.
func (r *Reconciler) Wake(endpoint string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx == nil || r.ctx.Err() != nil {
		return
	}
	bell, ok := r.workers[endpoint]
	if !ok {
		bell = make(chan struct{}, 1)
		r.workers[endpoint] = bell
		r.wait.Go(func() { (&worker{r: r, id: endpoint, pauses: map[string]*pause{}}).run(r.ctx, bell) })
		return
	}
	ring(bell)
}

// WakeAll has every endpoint that is being acted on looked at again, because what it waits for may have come.
func (r *Reconciler) WakeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, bell := range r.workers {
		ring(bell)
	}
}

// News is for the Observer: it wakes whose instances changed. What nobody owns, as far as is known here, is for a sweep.
func (r *Reconciler) News(instances []string, snapshot bool) {
	sweep := snapshot
	for _, i := range instances {
		r.mu.Lock()
		owner, ok := r.owners[i]
		r.mu.Unlock()
		if !ok {
			sweep = true
			continue
		}
		r.Wake(owner)
	}
	if sweep {
		ring(r.sweeps)
	}
}

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// leave ends a worker, unless it was woken at the last moment.
func (r *Reconciler) leave(endpoint string, bell chan struct{}) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-bell:
		return false
	default:
		delete(r.workers, endpoint)
		return true
	}
}

func (r *Reconciler) own(e *domain.Endpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range e.Instances {
		r.owners[i.ID] = e.ID
	}
}
