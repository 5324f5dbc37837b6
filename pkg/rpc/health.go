package rpc

import (
	"context"
	"time"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// healthEvery is how often a watched health is looked at.
const healthEvery = time.Second

// health answers from what the service itself says, asked at the time of the question. It knows one thing, the server as
// a whole; the name of any service on it means the same.
type health struct {
	healthv1.UnimplementedHealthServer
	ready func(context.Context) error
	drain <-chan struct{}
}

func (h *health) status(ctx context.Context) healthv1.HealthCheckResponse_ServingStatus {
	select {
	case <-h.drain:
		return healthv1.HealthCheckResponse_NOT_SERVING
	default:
	}
	if h.ready(ctx) != nil {
		return healthv1.HealthCheckResponse_NOT_SERVING
	}
	return healthv1.HealthCheckResponse_SERVING
}

// Check is the health now.
func (h *health) Check(ctx context.Context, _ *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	return &healthv1.HealthCheckResponse{Status: h.status(ctx)}, nil
}

// List is the health now, under the name of the whole server.
func (h *health) List(ctx context.Context, _ *healthv1.HealthListRequest) (*healthv1.HealthListResponse, error) {
	return &healthv1.HealthListResponse{Statuses: map[string]*healthv1.HealthCheckResponse{"": {Status: h.status(ctx)}}}, nil
}

// Watch is the health now and each change of it.
func (h *health) Watch(_ *healthv1.HealthCheckRequest, stream healthv1.Health_WatchServer) error {
	ctx := stream.Context()
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	last := healthv1.HealthCheckResponse_UNKNOWN
	for {
		if now := h.status(ctx); now != last {
			if err := stream.Send(&healthv1.HealthCheckResponse{Status: now}); err != nil {
				return err
			}
			last = now
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
