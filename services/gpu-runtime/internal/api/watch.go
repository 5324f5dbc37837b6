package api

import (
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/flow"
)

// Watch serves WatchService.
type Watch struct {
	gpuruntimev1.UnimplementedWatchServiceServer
	Node *flow.Node
}

// WatchInstances sends all instances, then those that change. It ends with its caller, or with the server.
func (s *Watch) WatchInstances(_ *gpuruntimev1.WatchInstancesRequest, out gpuruntimev1.WatchService_WatchInstancesServer) error {
	ctx := out.Context()
	if err := authorize(ctx, "api.WatchInstances"); err != nil {
		return err
	}
	w, all := s.Node.WatchInstances()
	defer w.Close()
	if err := out.Send(&gpuruntimev1.WatchInstancesResponse{Snapshot: true, Instances: instancesTo(all)}); err != nil {
		return err
	}
	for {
		changed, err := w.Next(ctx)
		if err != nil {
			return err
		}
		if err := out.Send(&gpuruntimev1.WatchInstancesResponse{Instances: instancesTo(changed)}); err != nil {
			return err
		}
	}
}
