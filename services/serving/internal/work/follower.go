package work

import (
	"context"
	"log/slog"
	"time"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
	"github.com/slipway-ai/slipway/services/serving/internal/flow"
)

// RegistryWatch is the stream that a Follower follows.
type RegistryWatch interface {
	Movements(ctx context.Context, after int64, each func(domain.Movement) error) error
}

// FollowerStore keeps the place in the stream.
type FollowerStore interface {
	Position(ctx context.Context) (int64, error)
	Moved(ctx context.Context, position int64, references []string) ([]string, error)
}

// saveEvery bounds how many events of no interest are read again after a restart.
const saveEvery = 100

// Follower takes in the registry's events: an alias that moved wakes the endpoints that follow it, a change of grants
// forgets remembered decisions.
type Follower struct {
	Registry RegistryWatch
	Store    FollowerStore
	Clock    clock.Clock
	Log      *slog.Logger
	Silence  time.Duration // a stream without even a heartbeat for so long is dead
	Wake     func(endpoint string)
	Forget   func() // remembered decisions
	unsaved  int
}

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	ctx = flow.Self(ctx)
	again(ctx, f.Clock, f.Log, "registry", f.follow)
	return nil
}

func (f *Follower) follow(ctx context.Context, came func()) error {
	position, err := f.Store.Position(ctx)
	if err != nil {
		return err
	}
	f.Forget() // what happened while nobody listened
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	heard := make(chan struct{}, 1)
	go f.watchdog(ctx, cancel, heard)
	return f.Registry.Movements(ctx, position, func(m domain.Movement) error {
		came()
		select {
		case heard <- struct{}{}:
		default:
		}
		return f.take(ctx, m)
	})
}

// watchdog cancels a stream that has fallen silent: a connection may be dead without anybody being told.
func (f *Follower) watchdog(ctx context.Context, cancel context.CancelFunc, heard <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-heard:
		case <-f.Clock.After(f.Silence):
			cancel()
			return
		}
	}
}

func (f *Follower) take(ctx context.Context, m domain.Movement) error {
	if m.Access {
		f.Forget()
	}
	if m.Position == 0 {
		return nil
	}
	f.unsaved++
	if m.Reference == "" && f.unsaved < saveEvery {
		return nil
	}
	var references []string
	if m.Reference != "" {
		references = []string{m.Reference}
	}
	ids, err := f.Store.Moved(ctx, m.Position, references)
	if err != nil {
		return fault.Wrap("serving.Follow", fault.KindOf(err), err, "the event could not be taken in")
	}
	f.unsaved = 0
	for _, id := range ids {
		f.Wake(id)
	}
	return nil
}
