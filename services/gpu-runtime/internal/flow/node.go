// Package flow holds the verbs of a node, one file each: list devices, estimate, load, unload, watch, generate, embed. The
// Node is what they share: the instances, and the parts that do the work. Each instance has one goroutine, which takes it
// through its life (life.go); everyone else reads snapshots and leaves wishes.
package flow

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/cache"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/device"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/domain"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/engine/pack"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/ledger"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/peer"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/store"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/supervise"
)

// Registry is where models come from.
type Registry interface {
	Find(ctx context.Context, model string, version int64, name string) (peer.Artifact, error)
	Download(ctx context.Context, a peer.Artifact, offset int64, w io.Writer) error
}

// Devices is what the machine has.
type Devices interface {
	Read() device.Inventory
	ProcessMemory(deviceID string, pid int) (int64, bool)
}

// Footprints is what earlier loads needed.
type Footprints interface {
	Find(ctx context.Context, k store.Key) (store.Footprint, error)
	Update(ctx context.Context, k store.Key, fn func(old store.Footprint) store.Footprint) (store.Footprint, error)
}

// Limits are the sizes and times an operator sets.
type Limits struct {
	Context         int   // tokens per request when a spec names none; a model trained for less gets less
	Parallel        int   // requests decoded together when a spec names none
	Batch           int   // tokens per step
	Chunk           int   // prompt tokens per step while others write
	Queue           int   // requests that may wait for a slot of an instance
	EmbeddingTokens int   // longest input to embed; 0 turns embeddings off
	Threads         int   // of an engine; 0 leaves one core to everything else
	MemoryReserve   int64 // bytes of the machine's memory that models may not use
	Drain           time.Duration
	LogLevel        string // of workers
}

// Parts is what a Node is made of.
type Parts struct {
	Log        *slog.Logger
	Clock      clock.Clock
	Tracer     trace.Tracer // our spans
	Worker     trace.Tracer // spans told on behalf of workers
	Metrics    *Metrics
	Devices    Devices
	Ledger     *ledger.Ledger
	Cache      *cache.Cache
	Registry   Registry
	Footprints Footprints
	Pack       func() (pack.Pack, error) // looked for at each load: it may be installed while we run
	Engines    supervise.Options         // Changed, Observe and Env are set per instance
	Limits     Limits
}

// Node is one machine's instances.
type Node struct {
	Parts

	mu        sync.Mutex
	instances map[string]*instance
	changes   int64                    // grows with every change of any instance, and over restarts: an id that comes again goes on counting
	planning  map[string]chan struct{} // ids whose load is being decided; closed when it is
	watchers  map[*Watch]struct{}
	closing   bool
	lives     sync.WaitGroup
}

// New is a node without instances.
func New(p Parts) *Node {
	return &Node{Parts: p, instances: map[string]*instance{}, changes: p.Clock.Now().UnixMicro(), planning: map[string]chan struct{}{}, watchers: map[*Watch]struct{}{}}
}

// instance is one model on the node. view, running and the unload wish are guarded by Node.mu; the rest is set before its
// goroutine starts or belongs to it.
type instance struct {
	view      domain.Instance
	running   int           // requests inside Generate and Embed
	idle      chan struct{} // closed when draining and nothing runs
	drainFor  time.Duration
	announced time.Time // when the load was last told to watchers

	plan    plan
	engine  *supervise.Engine // nil until the file is here
	unload  chan struct{}     // closed by the wish to unload
	settled chan struct{}     // closed when the life is over
	learnt  int64             // observed bytes last recorded
}

// publish tells watchers what changed. n.mu is held.
func (n *Node) publish(i *instance) {
	n.changes++
	i.view.Generation = n.changes
	i.announced = n.Clock.Now()
	for w := range n.watchers {
		w.add(i.view)
	}
}

// move takes an instance to a state, if its life allows it, and tells watchers. n.mu is held.
func (n *Node) move(i *instance, to domain.State, message string) bool {
	if !i.view.State.May(to) {
		return false
	}
	n.Log.Info("instance moved", slog.String("instance", i.view.ID), slog.String("from", i.view.State.String()), slog.String("to", to.String()), slog.String("message", message))
	i.view.State, i.view.Message = to, message
	if to == domain.Ready {
		i.view.ReadyTime = n.Clock.Now()
	}
	n.publish(i)
	return true
}

// Close unloads every instance, draining each within ctx, and returns when all are gone.
func (n *Node) Close(ctx context.Context) {
	n.mu.Lock()
	n.closing = true
	drain := n.Limits.Drain
	if deadline, ok := ctx.Deadline(); ok {
		drain = min(drain, max(0, time.Until(deadline)-n.Engines.StopGrace))
	}
	for _, i := range n.instances {
		n.wishUnload(i, drain)
	}
	n.mu.Unlock()
	n.lives.Wait()
}
