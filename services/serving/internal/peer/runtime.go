package peer

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/slipway-ai/slipway/pkg/fault"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// Runtime is one gpu-runtime.
type Runtime struct {
	runtime   gpuruntimev1.RuntimeServiceClient
	inference gpuruntimev1.InferenceServiceClient
	watch     gpuruntimev1.WatchServiceClient
}

// NewRuntime speaks over a connection that lives as long as the result.
func NewRuntime(conn grpc.ClientConnInterface) *Runtime {
	return &Runtime{
		runtime: gpuruntimev1.NewRuntimeServiceClient(conn), inference: gpuruntimev1.NewInferenceServiceClient(conn),
		watch: gpuruntimev1.NewWatchServiceClient(conn),
	}
}

// Load asks for an instance. It returns as soon as the runtime has taken it on.
func (r *Runtime) Load(ctx context.Context, i domain.Instance) (domain.Sighting, error) {
	got, err := r.runtime.LoadModel(ctx, &gpuruntimev1.LoadModelRequest{InstanceId: i.ID, Spec: &gpuruntimev1.ModelSpec{
		Model: i.Key.Model.Name, Version: i.Key.Model.Version, ContextLength: i.Key.ContextLength, Parallel: i.Key.Parallel,
	}})
	if err != nil {
		return domain.Sighting{}, err
	}
	return sighting(got.GetInstance()), nil
}

// Unload drains an instance and ends it. It returns as soon as the runtime admits nothing more; unloading what is gone
// succeeds.
func (r *Runtime) Unload(ctx context.Context, id string, drain time.Duration) error {
	_, err := r.runtime.UnloadModel(ctx, &gpuruntimev1.UnloadModelRequest{InstanceId: id, DrainTimeout: durationpb.New(drain)})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// Probe asks an instance for one token, or, when it cannot write, for one vector. An engine that only says it is well may
// still be dead; one that answers is not.
func (r *Runtime) Probe(ctx context.Context, id string) error {
	err := r.generate(ctx, id)
	switch fault.KindOf(err) {
	case fault.FailedPrecondition, fault.Unimplemented, fault.Invalid: // it may be a model that only embeds
	default:
		return err
	}
	got, embedErr := r.inference.Embed(ctx, &gpuruntimev1.EmbedRequest{InstanceId: id, Inputs: []string{probeText}})
	if embedErr != nil {
		return err // what it said first; that it cannot embed either is no news
	}
	if len(got.GetEmbeddings()) != 1 || len(got.GetEmbeddings()[0].GetValues()) == 0 {
		return fault.New("peer.Probe", fault.Internal, "the model made no embedding").WithReason("PROBE_EMPTY")
	}
	return nil
}

const probeText = "Hello"

func (r *Runtime) generate(ctx context.Context, id string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	greedy := float32(0)
	stream, err := r.inference.Generate(ctx, &gpuruntimev1.GenerateRequest{
		InstanceId: id, Prompt: probeText, MaxTokens: 1, Sampling: &gpuruntimev1.Sampling{Temperature: &greedy},
	})
	if err != nil {
		return err
	}
	for {
		got, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return fault.New("peer.Probe", fault.Unavailable, "the answer of the model broke off").WithReason("PROBE_BROKEN")
		}
		if err != nil {
			return err
		}
		if got.GetFinish() != nil {
			return nil
		}
	}
}

// Watch calls each with the runtime's instances: first all of them (snapshot), then those that change, until ctx ends or
// the stream breaks.
func (r *Runtime) Watch(ctx context.Context, each func(snapshot bool, seen []domain.Sighting)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := r.watch.WatchInstances(ctx, &gpuruntimev1.WatchInstancesRequest{})
	if err != nil {
		return err
	}
	for {
		got, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		seen := make([]domain.Sighting, 0, len(got.GetInstances()))
		for _, i := range got.GetInstances() {
			seen = append(seen, sighting(i))
		}
		each(got.GetSnapshot(), seen)
	}
}

var runtimeStates = map[gpuruntimev1.InstanceState]domain.RuntimeState{
	gpuruntimev1.InstanceState_INSTANCE_STATE_LOADING:    domain.RuntimeLoading,
	gpuruntimev1.InstanceState_INSTANCE_STATE_READY:      domain.RuntimeReady,
	gpuruntimev1.InstanceState_INSTANCE_STATE_RESTARTING: domain.RuntimeRestarting,
	gpuruntimev1.InstanceState_INSTANCE_STATE_DRAINING:   domain.RuntimeDraining,
	gpuruntimev1.InstanceState_INSTANCE_STATE_FAILED:     domain.RuntimeFailed,
}

func sighting(i *gpuruntimev1.Instance) domain.Sighting {
	return domain.Sighting{
		ID: i.GetInstanceId(), Generation: i.GetGeneration(),
		Observation: domain.Observation{State: runtimeStates[i.GetState()], Message: i.GetMessage()},
	}
}
