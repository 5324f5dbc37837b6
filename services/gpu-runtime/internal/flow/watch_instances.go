package flow

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/domain"
)

// Watch is one reader of a node's changes. A reader that is slow misses the steps in between and never the outcome: of each
// instance it gets the latest, and its memory is bounded by the number of instances.
type Watch struct {
	node  *Node
	mu    sync.Mutex
	fresh map[string]domain.Instance
	wake  chan struct{}
}

// WatchInstances begins a watch and returns all instances as they are at that moment.
func (n *Node) WatchInstances() (*Watch, []domain.Instance) {
	w := &Watch{node: n, fresh: map[string]domain.Instance{}, wake: make(chan struct{}, 1)}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watchers[w] = struct{}{}
	return w, n.list()
}

func (w *Watch) add(v domain.Instance) {
	w.mu.Lock()
	w.fresh[v.ID] = v
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Next waits for changes and returns them by id.
func (w *Watch) Next(ctx context.Context) ([]domain.Instance, error) {
	for {
		w.mu.Lock()
		var out []domain.Instance
		for _, v := range w.fresh {
			out = append(out, v)
		}
		clear(w.fresh)
		w.mu.Unlock()
		if len(out) > 0 {
			slices.SortFunc(out, func(a, b domain.Instance) int { return cmp.Compare(a.ID, b.ID) })
			return out, nil
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Close ends the watch.
func (w *Watch) Close() {
	w.node.mu.Lock()
	defer w.node.mu.Unlock()
	delete(w.node.watchers, w)
}
