package route

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/backoff"
)

// Options of a Router.
type Options struct {
	GatewayID string // the same over this gateway's life
	Serving   grpc.ClientConnInterface
	// Runtime connects to a gpu-runtime by its peer name.
	Runtime func(name string) (grpc.ClientConnInterface, error)
	Clock   clock.Clock
	Log     *slog.Logger
	// Applied is told of every table that is in force, for tests and metrics; may be nil.
	Applied func(*Table)
}

// Router keeps the table fresh.
type Router struct {
	opt       Options
	table     atomic.Pointer[Table]
	instances *Instances

	named chan string // runtimes that a table names
}

// New returns a router without a table; Run fetches it.
func New(o Options) *Router {
	return &Router{opt: o, instances: NewInstances(), named: make(chan string)}
}

// Table is the table in force; nil before the first has come, which behaves as an empty one.
func (r *Router) Table() *Table { return r.table.Load() }

// Changed is closed when an instance or the table changes; see Instances.Changed.
func (r *Router) Changed() <-chan struct{} { return r.instances.Changed() }

// Ready is nil once a table has come.
func (r *Router) Ready() error {
	if r.table.Load() == nil {
		return fault.New("route.Ready", fault.Unavailable, "serving has not sent the routes yet")
	}
	return nil
}

// Run watches serving, and every runtime that its routes name, until ctx ends.
func (r *Router) Run(ctx context.Context) error {
	ctx = auth.With(ctx, auth.Service("gateway"))
	var loops sync.WaitGroup
	defer loops.Wait()
	loops.Go(func() { r.again(ctx, "routes", r.watchRoutes) })
	watched := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case runtime := <-r.named:
			// A runtime is watched for the router's life: one without models is likely to get one again.
			if !watched[runtime] {
				watched[runtime] = true
				loops.Go(func() {
					r.again(ctx, runtime, func(ctx context.Context, came func()) error { return r.watchInstances(ctx, runtime, came) })
				})
			}
		}
	}
}

// again runs watch for as long as ctx lives. A watch that ends is begun anew, later each time, until something comes.
func (r *Router) again(ctx context.Context, what string, watch func(ctx context.Context, came func()) error) {
	var wait backoff.Backoff
	for {
		err := watch(ctx, wait.Reset)
		if ctx.Err() != nil {
			return
		}
		pause := wait.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			r.opt.Log.WarnContext(ctx, "watch interrupted", "of", what, "error", err, "retry_in", pause.Round(time.Millisecond))
		}
		if clock.Sleep(ctx, r.opt.Clock, pause) != nil {
			return
		}
	}
}

func (r *Router) watchRoutes(ctx context.Context, came func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := servingv1.NewRouteServiceClient(r.opt.Serving).WatchRoutes(ctx)
	if err != nil {
		return err
	}
	applied := int64(0)
	if t := r.table.Load(); t != nil {
		applied = t.Revision
	}
	for {
		if err := stream.Send(&servingv1.WatchRoutesRequest{GatewayId: r.opt.GatewayID, AppliedRevision: applied}); err != nil && !errors.Is(err, io.EOF) {
			return err // EOF: Recv below has the true error
		}
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		came()
		applied = m.GetRevision()
		r.apply(ctx, m)
	}
}

// apply puts a table in force. Every request that looks from here on sees it, which is what the acknowledgement says.
func (r *Router) apply(ctx context.Context, m *servingv1.WatchRoutesResponse) {
	t := build(m, r.instances)
	r.table.Store(t)
	r.instances.announce()
	for _, e := range t.sorted {
		for _, entity := range e.Entities {
			for _, i := range entity.Instances {
				r.follow(ctx, i.Runtime)
			}
		}
	}
	r.instances.forget(t)
	r.opt.Log.InfoContext(ctx, "routes applied", "revision", t.Revision, "endpoints", len(t.sorted))
	if r.opt.Applied != nil {
		r.opt.Applied(t)
	}
}

// follow asks Run to watch a runtime.
func (r *Router) follow(ctx context.Context, runtime string) {
	select {
	case r.named <- runtime:
	case <-ctx.Done():
	}
}

func (r *Router) watchInstances(ctx context.Context, runtime string, came func()) error {
	conn, err := r.opt.Runtime(runtime)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := gpuruntimev1.NewWatchServiceClient(conn).WatchInstances(ctx, &gpuruntimev1.WatchInstancesRequest{})
	if err != nil {
		return err
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		came()
		r.instances.update(runtime, m)
	}
}
