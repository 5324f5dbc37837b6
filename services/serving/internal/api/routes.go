package api

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/rpc"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
	"github.com/slipway-ai/slipway/services/serving/internal/work"
)

// Routes is the RouteService.
type Routes struct {
	servingv1.UnimplementedRouteServiceServer
	gateways *work.Gateways
}

// NewRoutes serves the table that g knows.
func NewRoutes(g *work.Gateways) *Routes { return &Routes{gateways: g} }

// WatchRoutes sends the routing table, again after each change, and takes acknowledgements.
func (s *Routes) WatchRoutes(stream grpc.BidiStreamingServer[servingv1.WatchRoutesRequest, servingv1.WatchRoutesResponse]) error {
	const op = "serving.WatchRoutes"
	ctx := stream.Context()
	if p, ok := auth.From(ctx); !ok || !p.IsAdmin() {
		return fault.New(op, fault.PermissionDenied, "the routing table is for gateways").WithReason("INTERNAL_ONLY")
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if first.GetGatewayId() == "" {
		return fault.New(op, fault.Invalid, "gateway_id is empty").WithReason("FIELD_INVALID")
	}
	joined, err := s.gateways.Join(ctx, first.GetGatewayId())
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- acknowledge(ctx, stream, joined) }()
	err = send(ctx, stream, joined, ended)
	joined.Leave(ctx, stopping(ctx) || err != nil && ctx.Err() == nil)
	return err
}

// stopping reports whether this server is about to stop: the gateway then is not the one that went away.
func stopping(ctx context.Context) bool {
	select {
	case <-rpc.Draining(ctx):
		return true
	default:
		return false
	}
}

// acknowledge takes what the gateway says until it says no more.
func acknowledge(ctx context.Context, stream grpc.BidiStreamingServer[servingv1.WatchRoutesRequest, servingv1.WatchRoutesResponse], joined *work.Stream) error {
	for {
		got, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := joined.Applied(ctx, got.GetAppliedRevision()); err != nil {
			return err
		}
	}
}

// send sends every table that there is time to send: one that was replaced before its turn is left out.
func send(ctx context.Context, stream grpc.BidiStreamingServer[servingv1.WatchRoutesRequest, servingv1.WatchRoutesResponse], joined *work.Stream, ended <-chan error) error {
	var sent *domain.RouteTable
	for {
		table, next, ok := joined.Current()
		if ok && (sent == nil || sent.Revision != table.Revision) {
			if err := stream.Send(writeTable(table)); err != nil {
				return err
			}
			sent = &table
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return err
		case <-next:
		}
	}
}
