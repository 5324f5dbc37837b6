package flow

import (
	"cmp"
	"slices"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/domain"
)

// GetInstance returns one instance.
func (n *Node) GetInstance(id string) (domain.Instance, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i, ok := n.instances[id]
	if !ok {
		return domain.Instance{}, missing("flow.GetInstance", id)
	}
	return i.view, nil
}

// ListInstances returns all instances by id.
func (n *Node) ListInstances() []domain.Instance {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.list()
}

func (n *Node) list() []domain.Instance {
	all := make([]domain.Instance, 0, len(n.instances))
	for _, i := range n.instances {
		all = append(all, i.view)
	}
	slices.SortFunc(all, func(a, b domain.Instance) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

func missing(op, id string) error {
	return fault.New(op, fault.NotFound, "this node has no instance %s", id).WithReason("INSTANCE_NOT_FOUND")
}

// enter lets a request into an instance, of which it also returns a snapshot, or says why not. Whoever entered must leave.
func (n *Node) enter(id string) (*instance, domain.Instance, error) {
	const op = "flow.enter"
	n.mu.Lock()
	defer n.mu.Unlock()
	i, ok := n.instances[id]
	if !ok {
		return nil, domain.Instance{}, missing(op, id)
	}
	switch i.view.State {
	case domain.Ready, domain.Restarting:
		i.running++
		return i, i.view, nil
	case domain.Loading:
		return nil, domain.Instance{}, fault.New(op, fault.Unavailable, "instance %s is being loaded", id).WithReason("INSTANCE_LOADING").WithRetryAfter(time.Second)
	case domain.Failed:
		return nil, domain.Instance{}, fault.New(op, fault.Unavailable, "instance %s has failed: %s", id, i.view.Message).WithReason("INSTANCE_FAILED")
	}
	return nil, domain.Instance{}, fault.New(op, fault.Unavailable, "instance %s is being unloaded", id).WithReason("INSTANCE_STOPPING")
}

// leave ends a request; the last one to leave a draining instance lets it go.
func (n *Node) leave(i *instance) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i.running--
	select {
	case <-i.unload:
		if i.running == 0 {
			close(i.idle)
		}
	default:
	}
}
