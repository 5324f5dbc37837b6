package flow

import (
	"context"
	"time"

	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/domain"
)

// UnloadModel takes back an instance: it admits nothing more, lets running requests end for at most drain (0 is the node's
// default), then ends the engine and frees the memory. It returns at once; watchers see STOPPED. What is not there is
// unloaded already.
func (n *Node) UnloadModel(_ context.Context, id string, drain time.Duration) {
	if drain <= 0 {
		drain = n.Limits.Drain
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if i, ok := n.instances[id]; ok {
		n.wishUnload(i, drain)
	}
}

// wishUnload leaves the wish with the instance's life. n.mu is held.
func (n *Node) wishUnload(i *instance, drain time.Duration) {
	select {
	case <-i.unload:
		return
	default:
	}
	i.drainFor = drain
	if i.view.State != domain.Failed {
		n.move(i, domain.Draining, "running requests end")
	}
	if i.running == 0 {
		close(i.idle)
	}
	close(i.unload)
}
