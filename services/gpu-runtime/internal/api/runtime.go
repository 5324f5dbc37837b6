package api

import (
	"context"

	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/flow"
)

// Runtime serves RuntimeService.
type Runtime struct {
	gpuruntimev1.UnimplementedRuntimeServiceServer
	Node *flow.Node
}

// ListDevices lists the devices. Everybody who is known may see what the platform runs on.
func (s *Runtime) ListDevices(context.Context, *gpuruntimev1.ListDevicesRequest) (*gpuruntimev1.ListDevicesResponse, error) {
	inv, reserved := s.Node.ListDevices()
	resp := &gpuruntimev1.ListDevicesResponse{Notes: inv.Notes}
	for i, d := range inv.Devices {
		resp.Devices = append(resp.Devices, deviceTo(d, reserved[i]))
	}
	return resp, nil
}

// EstimateModel predicts a load.
func (s *Runtime) EstimateModel(ctx context.Context, req *gpuruntimev1.EstimateModelRequest) (*gpuruntimev1.EstimateModelResponse, error) {
	if err := authorize(ctx, "api.EstimateModel"); err != nil {
		return nil, err
	}
	e, err := s.Node.EstimateModel(ctx, specOf(req.GetSpec()))
	if err != nil {
		return nil, err
	}
	return &gpuruntimev1.EstimateModelResponse{Estimate: memoryTo(e.Memory), Fits: e.Fits, DeviceId: e.DeviceID}, nil
}

// LoadModel begins a load.
func (s *Runtime) LoadModel(ctx context.Context, req *gpuruntimev1.LoadModelRequest) (*gpuruntimev1.LoadModelResponse, error) {
	if err := authorize(ctx, "api.LoadModel"); err != nil {
		return nil, err
	}
	v, err := s.Node.LoadModel(ctx, req.GetInstanceId(), specOf(req.GetSpec()))
	if err != nil {
		return nil, err
	}
	return &gpuruntimev1.LoadModelResponse{Instance: instanceTo(v)}, nil
}

// GetInstance returns one instance.
func (s *Runtime) GetInstance(ctx context.Context, req *gpuruntimev1.GetInstanceRequest) (*gpuruntimev1.GetInstanceResponse, error) {
	if err := authorize(ctx, "api.GetInstance"); err != nil {
		return nil, err
	}
	v, err := s.Node.GetInstance(req.GetInstanceId())
	if err != nil {
		return nil, err
	}
	return &gpuruntimev1.GetInstanceResponse{Instance: instanceTo(v)}, nil
}

// ListInstances lists all instances.
func (s *Runtime) ListInstances(ctx context.Context, _ *gpuruntimev1.ListInstancesRequest) (*gpuruntimev1.ListInstancesResponse, error) {
	if err := authorize(ctx, "api.ListInstances"); err != nil {
		return nil, err
	}
	return &gpuruntimev1.ListInstancesResponse{Instances: instancesTo(s.Node.ListInstances())}, nil
}

// UnloadModel begins an unload.
func (s *Runtime) UnloadModel(ctx context.Context, req *gpuruntimev1.UnloadModelRequest) (*gpuruntimev1.UnloadModelResponse, error) {
	if err := authorize(ctx, "api.UnloadModel"); err != nil {
		return nil, err
	}
	s.Node.UnloadModel(ctx, req.GetInstanceId(), req.GetDrainTimeout().AsDuration())
	return &gpuruntimev1.UnloadModelResponse{}, nil
}
