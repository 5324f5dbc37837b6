package flow

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/domain"
)

// LoadModel decides about a load and begins it. What can be known from the registry, the file's header and the ledger is
// decided before it returns: a damaged header is Invalid, no room is ResourceExhausted, and neither leaves anything behind.
// The rest happens afterwards and shows in the instance's state. Loading an id again with the same spec returns the
// instance as it is, a failed one too: whether to try again is the caller's decision, and unloading says so.
func (n *Node) LoadModel(ctx context.Context, id string, spec domain.Spec) (domain.Instance, error) {
	ctx, span := n.Tracer.Start(ctx, "load model")
	defer span.End()
	if err := domain.CheckID(id); err != nil {
		return domain.Instance{}, failSpan(span, err)
	}
	for {
		view, wait, err := n.claim(id, spec)
		if err != nil || view.ID != "" {
			return view, failSpan(span, err)
		}
		if wait == nil {
			break
		}
		select { // somebody is deciding about this id just now
		case <-wait:
		case <-ctx.Done():
			return domain.Instance{}, failSpan(span, ctx.Err())
		}
	}
	defer n.unclaim(id)
	p, err := n.makePlan(asNode(ctx), spec)
	if err != nil {
		return domain.Instance{}, failSpan(span, err)
	}
	view, err := n.begin(ctx, id, spec, p)
	return view, failSpan(span, err)
}

// claim returns the instance when there is one with this spec, a channel to wait on when somebody else decides about the
// id, and neither when the decision is the caller's, who must unclaim.
func (n *Node) claim(id string, spec domain.Spec) (domain.Instance, <-chan struct{}, error) {
	const op = "flow.LoadModel"
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return domain.Instance{}, nil, fault.New(op, fault.Unavailable, "the node is stopping")
	}
	if i, ok := n.instances[id]; ok {
		switch {
		case i.view.Spec != spec:
			return domain.Instance{}, nil, fault.New(op, fault.AlreadyExists, "instance %s exists with another spec", id)
		case i.view.State == domain.Draining:
			return domain.Instance{}, nil, fault.New(op, fault.Unavailable, "instance %s is being unloaded; load it when it is gone", id).WithReason("INSTANCE_STOPPING").WithRetryAfter(time.Second)
		}
		return i.view, nil, nil
	}
	if wait, ok := n.planning[id]; ok {
		return domain.Instance{}, wait, nil
	}
	n.planning[id] = make(chan struct{})
	return domain.Instance{}, nil, nil
}

func (n *Node) unclaim(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.planning[id])
	delete(n.planning, id)
}

// begin reserves the memory and starts the instance's life.
func (n *Node) begin(ctx context.Context, id string, spec domain.Spec, p plan) (domain.Instance, error) {
	const op = "flow.LoadModel"
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return domain.Instance{}, fault.New(op, fault.Unavailable, "the node is stopping")
	}
	if err := n.Ledger.Reserve(id, p.device.ID, p.estimate.Total, p.room, p.calibration.Share()); err != nil {
		return domain.Instance{}, err
	}
	i := &instance{plan: p, idle: make(chan struct{}), unload: make(chan struct{}), settled: make(chan struct{})}
	i.view = domain.Instance{
		ID: id, Spec: spec, State: domain.Loading, Message: "fetching the model file", DeviceID: p.device.ID, Predicted: p.memory(),
		Engine: p.pack.String(), ContextLength: p.context, Embedding: p.model.Embedding,
	}
	n.instances[id] = i
	n.publish(i)
	n.lives.Add(1)
	go n.live(trace.ContextWithSpanContext(asNode(context.Background()), trace.SpanContextFromContext(ctx)), i)
	return i.view, nil
}
