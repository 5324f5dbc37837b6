package api

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/device"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/domain"
)

func specOf(s *gpuruntimev1.ModelSpec) domain.Spec {
	return domain.Spec{Model: s.GetModel(), Version: s.GetVersion(), Path: s.GetPath(), ContextLength: int(s.GetContextLength()), Parallel: int(s.GetParallel()), DeviceID: s.GetDeviceId()}
}

func specTo(s domain.Spec) *gpuruntimev1.ModelSpec {
	return &gpuruntimev1.ModelSpec{Model: s.Model, Version: s.Version, Path: s.Path, ContextLength: int32(s.ContextLength), Parallel: int32(s.Parallel), DeviceId: s.DeviceID} //nolint:gosec // came as int32
}

func memoryTo(m domain.Memory) *gpuruntimev1.MemoryEstimate {
	return &gpuruntimev1.MemoryEstimate{WeightsBytes: m.Weights, KvCacheBytes: m.KVCache, OverheadBytes: m.Overhead, TotalBytes: m.Total}
}

var states = map[domain.State]gpuruntimev1.InstanceState{
	domain.Loading:    gpuruntimev1.InstanceState_INSTANCE_STATE_LOADING,
	domain.Ready:      gpuruntimev1.InstanceState_INSTANCE_STATE_READY,
	domain.Restarting: gpuruntimev1.InstanceState_INSTANCE_STATE_RESTARTING,
	domain.Draining:   gpuruntimev1.InstanceState_INSTANCE_STATE_DRAINING,
	domain.Failed:     gpuruntimev1.InstanceState_INSTANCE_STATE_FAILED,
	domain.Stopped:    gpuruntimev1.InstanceState_INSTANCE_STATE_STOPPED,
}

func instanceTo(v domain.Instance) *gpuruntimev1.Instance {
	out := &gpuruntimev1.Instance{
		InstanceId: v.ID, Spec: specTo(v.Spec), State: states[v.State], Message: v.Message, DeviceId: v.DeviceID,
		Predicted: memoryTo(v.Predicted), ObservedMemoryBytes: v.Observed, Engine: v.Engine,
		ActiveRequests: int32(v.Active), QueuedRequests: int32(v.Queued), Restarts: int32(v.Restarts), //nolint:gosec // small counts
		ContextLength: int32(v.ContextLength), EmbeddingLength: int32(v.Embedding), Generation: v.Generation, //nolint:gosec // bounded by the domain
	}
	if !v.ReadyTime.IsZero() {
		out.ReadyTime = timestamppb.New(v.ReadyTime)
	}
	return out
}

func instancesTo(all []domain.Instance) []*gpuruntimev1.Instance {
	out := make([]*gpuruntimev1.Instance, len(all))
	for i, v := range all {
		out[i] = instanceTo(v)
	}
	return out
}

var kinds = map[device.Kind]gpuruntimev1.DeviceKind{
	device.CPU:    gpuruntimev1.DeviceKind_DEVICE_KIND_CPU,
	device.NVIDIA: gpuruntimev1.DeviceKind_DEVICE_KIND_NVIDIA,
}

func deviceTo(d device.Device, reserved int64) *gpuruntimev1.Device {
	return &gpuruntimev1.Device{
		Id: d.ID, Kind: kinds[d.Kind], Name: d.Name, MemoryTotalBytes: d.MemoryTotal, MemoryFreeBytes: d.MemoryFree, MemoryReservedBytes: reserved,
		Cores: int32(d.Cores), DriverVersion: d.Driver, UtilizationPercent: int32(d.Utilization),
	} //nolint:gosec // small counts
}
