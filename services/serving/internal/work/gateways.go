package work

import (
	"context"
	"log/slog"
	"time"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
	"github.com/slipway-ai/slipway/services/serving/internal/store"
)

// GatewayStore is where it is kept who is connected.
type GatewayStore interface {
	Join(ctx context.Context, g store.Gateway) error
	Acknowledge(ctx context.Context, g store.Gateway) (bool, error)
	Leave(ctx context.Context, id, stream string) error
	Keep(ctx context.Context, replica string, now, until time.Time) error
}

// Gateways keeps the book of gateways connected to this replica.
type Gateways struct {
	Store   GatewayStore
	Table   *Table
	Clock   clock.Clock
	IDs     id.Source
	Log     *slog.Logger
	Replica string
	Grace   time.Duration // how long a gateway counts after its replica has died
	Acked   func()        // told of every acknowledgement
}

// Run prolongs the rows of this replica's streams until ctx ends.
func (g *Gateways) Run(ctx context.Context) error {
	tick := g.Clock.NewTicker(g.Grace / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C():
		}
		now := g.Clock.Now()
		if err := g.Store.Keep(ctx, g.Replica, now, now.Add(g.Grace)); err != nil && ctx.Err() == nil {
			g.Log.WarnContext(ctx, "gateways not prolonged", slog.Any("error", err))
		}
	}
}

// Stream is one gateway's connection.
type Stream struct {
	g  *Gateways
	at store.Gateway
}

// Join begins a stream. Whatever the gateway says it has applied before counts as nothing: it may have come from another
// store's tables, and it will acknowledge the one it is about to get.
func (g *Gateways) Join(ctx context.Context, gateway string) (*Stream, error) {
	s := &Stream{g: g, at: store.Gateway{ID: gateway, Stream: g.IDs.New(), Replica: g.Replica}}
	s.at.Until = g.Clock.Now().Add(g.Grace)
	if err := g.Store.Join(ctx, s.at); err != nil {
		return nil, err
	}
	g.Log.InfoContext(ctx, "gateway connected", slog.String("gateway", gateway))
	return s, nil
}

// Current is the table to be sent, and a channel that is closed when there is another.
func (s *Stream) Current() (domain.RouteTable, <-chan struct{}, bool) { return s.g.Table.Current() }

// Applied records an acknowledgement. It is Aborted when the gateway has another stream by now.
func (s *Stream) Applied(ctx context.Context, revision int64) error {
	at := s.at
	at.Applied, at.Until = revision, s.g.Clock.Now().Add(s.g.Grace)
	current, err := s.g.Store.Acknowledge(ctx, at)
	if err != nil {
		return err
	}
	if !current {
		return fault.New("serving.WatchRoutes", fault.Aborted, "gateway %q has another stream", s.at.ID).WithReason("STREAM_REPLACED")
	}
	s.g.Acked()
	return nil
}

// Leave ends the stream. A gateway that went away is gone and holds nobody up; one whose stream this side has ended
// (cut), because it stops or has failed, is still there, and counts until it is connected anew or its grace is over.
func (s *Stream) Leave(ctx context.Context, cut bool) {
	if cut {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.g.Store.Leave(ctx, s.at.ID, s.at.Stream); err != nil {
		s.g.Log.WarnContext(ctx, "gateway not signed off", slog.String("gateway", s.at.ID), slog.Any("error", err))
	}
	s.g.Log.InfoContext(ctx, "gateway disconnected", slog.String("gateway", s.at.ID))
	s.g.Acked() // whoever waited for it need not wait any more
}
