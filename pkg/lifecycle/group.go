package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Group is the loops of one module: started together, canceled together, waited for. The zero value is ready to use.
type Group struct {
	mu      sync.Mutex
	ctx     context.Context
	cancel  context.CancelFunc
	stopped bool
	wait    sync.WaitGroup
	failed  chan error
}

// NewGroup is a group whose loops see the values of ctx, such as the principal they act as, but not its end: a group
// lives until Stop.
func NewGroup(ctx context.Context) *Group {
	g := &Group{}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.init(ctx)
	return g
}

func (g *Group) init(ctx context.Context) {
	if g.failed == nil {
		g.ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
		g.failed = make(chan error, 1)
	}
}

// Go runs a loop until it returns or the group stops. A loop that returns an error, or panics, before the group stops
// has failed; one that returns nil has finished its work. After Stop, Go does nothing.
func (g *Group) Go(name string, loop func(ctx context.Context) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.init(context.Background())
	if g.stopped {
		return
	}
	ctx, failed := g.ctx, g.failed
	g.wait.Add(1)
	go func() {
		defer g.wait.Done()
		err := call(ctx, loop)
		if err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return
		}
		select {
		case failed <- fmt.Errorf("%s: %w", name, err):
		default: // the first failure is the one that is told
		}
	}()
}

// Failed delivers the first failure of a loop.
func (g *Group) Failed() <-chan error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.init(context.Background())
	return g.failed
}

// Stop cancels the loops and waits for them, at most until ctx ends, whose error it then returns.
func (g *Group) Stop(ctx context.Context) error {
	g.mu.Lock()
	g.init(context.Background())
	g.stopped = true
	g.cancel()
	g.mu.Unlock()
	done := make(chan struct{})
	go func() {
		g.wait.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("lifecycle: loops still run: %w", ctx.Err())
	}
}
