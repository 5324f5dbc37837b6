package peertest

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
)

// Gateway pretends to be a gateway: it follows the routes, acknowledges them unless told not to, and calls models by them.
type Gateway struct {
	id      string
	serving grpc.ClientConnInterface
	runtime gpuruntimev1.InferenceServiceClient

	mu    sync.Mutex
	table *servingv1.WatchRoutesResponse
	deaf  bool // applies nothing and acknowledges nothing
	held  bool // does not connect
	turn  int
	seen  chan struct{}
}

// NewGateway is not connected yet.
func NewGateway(id string, serving, runtime grpc.ClientConnInterface) *Gateway {
	return &Gateway{id: id, serving: serving, runtime: gpuruntimev1.NewInferenceServiceClient(runtime), seen: make(chan struct{})}
}

// Deafen makes it apply and acknowledge nothing from now on, with the stream open; undo it with false.
func (g *Gateway) Deafen(deaf bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deaf = deaf
}

// Hold keeps it from connecting when its stream breaks; undo it with false.
func (g *Gateway) Hold(held bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = held
}

// Held reports whether it may not connect.
func (g *Gateway) Held() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

// Follow keeps a stream until ctx ends or the stream breaks.
func (g *Gateway) Follow(ctx context.Context) error {
	ctx = auth.With(ctx, auth.Service("gateway"))
	stream, err := servingv1.NewRouteServiceClient(g.serving).WatchRoutes(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(&servingv1.WatchRoutesRequest{GatewayId: g.id}); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for {
		table, err := stream.Recv()
		if err != nil {
			return err
		}
		if !g.apply(table) {
			continue
		}
		if err := stream.Send(&servingv1.WatchRoutesRequest{GatewayId: g.id, AppliedRevision: table.GetRevision()}); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
}

func (g *Gateway) apply(table *servingv1.WatchRoutesResponse) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.deaf {
		return false
	}
	g.table = table
	close(g.seen)
	g.seen = make(chan struct{})
	return true
}

// Table is the table in force, nil before the first.
func (g *Gateway) Table() *servingv1.WatchRoutesResponse {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.table
}

// Route is how an endpoint is routed, nil when it is not.
func (g *Gateway) Route(endpoint string) *servingv1.EndpointRoute {
	for _, e := range g.Table().GetEndpoints() {
		if e.GetName() == endpoint {
			return e
		}
	}
	return nil
}

// Ask sends one request to the next entity of an endpoint that takes traffic, and reports which model version answered.
func (g *Gateway) Ask(ctx context.Context, endpoint string) (version string, err error) {
	g.mu.Lock()
	g.turn++
	turn := g.turn
	g.mu.Unlock()
	route := g.Route(endpoint)
	if route == nil {
		return "", fault.New("gateway", fault.NotFound, "no route to %q", endpoint)
	}
	var takers []*servingv1.EntityRoute
	for _, e := range route.GetEntities() {
		if e.GetTrafficPercentage() > 0 {
			takers = append(takers, e)
		}
	}
	entity := takers[turn%len(takers)]
	ctx = auth.With(ctx, auth.Service("gateway"))
	stream, err := g.runtime.Generate(ctx, &gpuruntimev1.GenerateRequest{InstanceId: entity.GetInstances()[0].GetInstanceId(), Prompt: "Hi", MaxTokens: 1})
	if err != nil {
		return "", err
	}
	for {
		got, err := stream.Recv()
		if err != nil {
			return "", err
		}
		if got.GetFinish() != nil {
			return entity.GetModelVersion(), nil
		}
	}
}
