package edge

import (
	"context"
	"slices"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/backoff"
	"github.com/slipway-ai/slipway/services/gateway/internal/route"
)

// retryable says whether another instance, or the same one later, may do what this one did not. What is gone or draining says
// so by NotFound or FailedPrecondition; the routes will follow.
func retryable(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.NotFound, fault.FailedPrecondition, fault.Aborted:
		return true
	default:
		return false
	}
}

// try calls one instance after another until one does it. While none can, it waits for the routes or an instance to change,
// within the retry window: an engine that was killed is back in seconds. Nothing is tried again once the caller has heard
// something. errMoved when the routes now send the request to another entity.
func (x *exchange) try(call func(ctx context.Context, i *route.Instance) error) error {
	var tried []*route.Instance
	pace := backoff.Backoff{Base: 20 * time.Millisecond, Max: 500 * time.Millisecond}
	var last error
	for {
		changed := x.Routes.Changed()
		if err := x.follow(); err != nil {
			return err
		}
		if i := x.entity.Choose(tried); i != nil {
			err := x.once(i, call)
			if err == nil || x.wrote || x.peer().Err() != nil {
				return err
			}
			last, tried = err, append(tried, i)
			busy := fault.Is(err, fault.ResourceExhausted) && x.entity.Choose(tried) != nil // its queue is full; another's may not be
			if !retryable(err) && !busy {
				return err
			}
			x.out.retries++
			continue
		}
		if last == nil {
			last = fault.New("edge.try", fault.Unavailable, "no engine of %s is ready", x.entity.Name).WithReason("NO_ENGINE")
		}
		if err := x.await(changed, pace.Next()); err != nil {
			return fault.Wrap("edge.try", fault.KindOf(err), last, "no engine of %s answered: %s", x.entity.Name, fault.Text(last)).
				WithReason(fault.Reason(err)).WithRetryAfter(time.Second)
		}
		tried = tried[:0]
	}
}

// once calls one instance and leaves nothing running there.
func (x *exchange) once(i *route.Instance, call func(ctx context.Context, i *route.Instance) error) error {
	ctx, cancel := context.WithCancel(x.peer())
	defer cancel()
	defer i.Acquire()()
	return ours(call(ctx, i))
}

// ours is an error of a peer as it concerns the caller. That the gateway itself was not let in is not the caller's fault, and
// must not look as if its token were.
func ours(err error) error {
	if fault.Is(err, fault.Unauthenticated) || fault.Is(err, fault.PermissionDenied) {
		return fault.Wrap("edge.peer", fault.Internal, err, "the gateway was refused by a service of the platform").WithReason("PEER_REFUSED")
	}
	return err
}

// await waits for a change, or a while.
func (x *exchange) await(changed <-chan struct{}, pause time.Duration) error {
	now := x.Clock.Now()
	if x.out.failing.IsZero() {
		x.out.failing = now
	}
	left := x.Settings.RetryWindow - now.Sub(x.out.failing)
	if left <= 0 || x.entity.Hopeless() {
		return fault.New("edge.await", fault.Unavailable, "the wait is over").WithReason("NO_ENGINE")
	}
	defer x.waitedSince(now)
	select {
	case <-changed:
	case <-x.Clock.After(min(left, pause)):
	case <-x.peer().Done():
		return x.peer().Err()
	}
	return nil
}

// follow takes over the table in force, when it is another than the request began with.
func (x *exchange) follow() error {
	t := x.Routes.Table()
	if t == x.table {
		return nil
	}
	was := x.entity
	x.table = t
	endpoint := t.Endpoint(x.endpoint.Name)
	if endpoint == nil {
		return noSuchEndpoint(x.endpoint.Name) // deleted meanwhile; x.endpoint stays, for the row
	}
	x.endpoint = endpoint
	if err := x.repick(); err != nil {
		x.entity = was
		return err
	}
	if !same(was, x.entity) {
		return errMoved
	}
	return nil
}

// same says whether two entities answer alike.
func same(a, b *route.Entity) bool {
	if (a.External == nil) != (b.External == nil) || a.External != nil && *a.External != *b.External {
		return false
	}
	return a.Name == b.Name && a.ModelVersion == b.ModelVersion && a.PromptVersion == b.PromptVersion && slices.Equal(a.Instances, b.Instances)
}
