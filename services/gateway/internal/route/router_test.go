package route_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/route"
)

// planes is a serving and a runtime that say what the test tells them to.
type planes struct {
	servingv1.UnimplementedRouteServiceServer
	gpuruntimev1.UnimplementedWatchServiceServer
	tables    chan *servingv1.WatchRoutesResponse
	instances chan *gpuruntimev1.WatchInstancesResponse
	acks      chan *servingv1.WatchRoutesRequest
}

func (p *planes) WatchRoutes(s grpc.BidiStreamingServer[servingv1.WatchRoutesRequest, servingv1.WatchRoutesResponse]) error {
	for {
		ack, err := s.Recv()
		if err != nil {
			return err
		}
		p.acks <- ack
		select {
		case table := <-p.tables:
			if err := s.Send(table); err != nil {
				return err
			}
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
}

func (p *planes) WatchInstances(_ *gpuruntimev1.WatchInstancesRequest, s grpc.ServerStreamingServer[gpuruntimev1.WatchInstancesResponse]) error {
	for {
		select {
		case m := <-p.instances:
			if err := s.Send(m); err != nil {
				return err
			}
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
}

// serve puts the planes on the network under a name and returns how to take them away.
func (p *planes) serve(t *testing.T, network *link.Network, name string) (stop func()) {
	t.Helper()
	l, creds, err := network.Listen("inproc:"+name, link.TLS{})
	require.NoError(t, err)
	s, err := rpc.NewServer(rpc.ServerOptions{Service: name, Log: slog.New(slog.DiscardHandler), Telemetry: telemetry.Discard(), Creds: creds, TrustPeers: true})
	require.NoError(t, err)
	servingv1.RegisterRouteServiceServer(s, p)
	gpuruntimev1.RegisterWatchServiceServer(s, p)
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(l) })
	var once sync.Once
	stop = func() { once.Do(func() { s.Stop(); served.Wait() }) }
	t.Cleanup(stop)
	return stop
}

func table(revision int64) *servingv1.WatchRoutesResponse {
	return &servingv1.WatchRoutesResponse{Revision: revision, Endpoints: []*servingv1.EndpointRoute{{
		Name: "chat", Id: "0190d5e0-0000-7000-8000-000000000001", ConfigRevision: revision,
		Entities: []*servingv1.EntityRoute{{
			Name: "m", TrafficPercentage: 100,
			Instances: []*servingv1.InstanceRoute{{InstanceId: "i1", Runtime: "gpu-runtime"}},
		}},
	}}}
}

func next[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("waited too long for " + what)
		panic("unreachable")
	}
}

func TestARouterFollowsServingAndTheRuntimes(t *testing.T) {
	t.Parallel()
	p := &planes{
		tables: make(chan *servingv1.WatchRoutesResponse), instances: make(chan *gpuruntimev1.WatchInstancesResponse),
		acks: make(chan *servingv1.WatchRoutesRequest, 10),
	}
	network := link.NewNetwork()
	stopServing := p.serve(t, network, "serving")
	p.serve(t, network, "gpu-runtime")
	dial := func(name string) (grpc.ClientConnInterface, error) {
		return network.Dial("inproc:"+name, link.TLS{}, rpc.DialOptions("gateway", telemetry.Discard())...)
	}
	serving, err := dial("serving")
	require.NoError(t, err)
	applied := make(chan *route.Table, 10)
	r := route.New(route.Options{
		GatewayID: "g1", Serving: serving, Runtime: dial, Clock: clock.System(), Log: slog.New(slog.DiscardHandler),
		Applied: func(table *route.Table) { applied <- table },
	})
	require.Error(t, r.Ready())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()

	first := next(t, p.acks, "the first message")
	require.Equal(t, "g1", first.GetGatewayId())
	require.Zero(t, first.GetAppliedRevision())
	p.tables <- table(4)
	next(t, applied, "the table")
	require.EqualValues(t, 4, next(t, p.acks, "the acknowledgement").GetAppliedRevision())
	require.NoError(t, r.Ready())
	instance := r.Table().Endpoint("chat").Entities[0].Instances[0]
	require.True(t, instance.Usable())

	changed := r.Changed()
	p.instances <- &gpuruntimev1.WatchInstancesResponse{Snapshot: true, Instances: []*gpuruntimev1.Instance{
		{InstanceId: "i1", State: gpuruntimev1.InstanceState_INSTANCE_STATE_RESTARTING},
	}}
	next(t, changed, "the instance's state")
	require.False(t, instance.Usable())

	// Serving goes away: the table stays. It comes back: the router says what it has and takes the new one.
	stopServing()
	require.NotNil(t, r.Table().Endpoint("chat"))
	p.serve(t, network, "serving")
	require.EqualValues(t, 4, next(t, p.acks, "the router to come back").GetAppliedRevision())
	p.tables <- table(5)
	next(t, applied, "the next table")
	require.EqualValues(t, 5, next(t, p.acks, "its acknowledgement").GetAppliedRevision())
	require.Same(t, instance, r.Table().Endpoint("chat").Entities[0].Instances[0], "an instance's state outlives the table")

	cancel()
	require.NoError(t, next(t, done, "the router to stop"))
}
