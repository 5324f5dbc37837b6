package peertest

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/fault"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
)

// The states, by shorter names.
const (
	Loading    = gpuruntimev1.InstanceState_INSTANCE_STATE_LOADING
	Ready      = gpuruntimev1.InstanceState_INSTANCE_STATE_READY
	Restarting = gpuruntimev1.InstanceState_INSTANCE_STATE_RESTARTING
	Draining   = gpuruntimev1.InstanceState_INSTANCE_STATE_DRAINING
	Failed     = gpuruntimev1.InstanceState_INSTANCE_STATE_FAILED
	stopped    = gpuruntimev1.InstanceState_INSTANCE_STATE_STOPPED
)

// Behaviour is how the versions of a model misbehave. The zero value behaves.
type Behaviour struct {
	Refuse  error  // the answer to LoadModel
	Break   string // loading ends in FAILED with this message
	Hold    bool   // loading does not end until Finish
	Mute    error  // the answer to Generate
	Embeds  bool   // the model cannot write but embeds
	Hanging bool   // Generate never answers
}

// Runtime pretends to be a gpu-runtime.
type Runtime struct {
	gpuruntimev1.UnimplementedRuntimeServiceServer
	gpuruntimev1.UnimplementedInferenceServiceServer
	gpuruntimev1.UnimplementedWatchServiceServer

	mu         sync.Mutex
	instances  map[string]*gpuruntimev1.Instance
	running    map[string]int // requests per instance
	behaviour  map[int64]Behaviour
	rooms      int // instances that fit, 0 for any number
	loads      []string
	unloads    []string
	probes     int
	generation int64
	watchers   map[chan *gpuruntimev1.WatchInstancesResponse]bool
	idle       *sync.Cond
}

// NewRuntime has nothing loaded and room for everything.
func NewRuntime() *Runtime {
	r := &Runtime{
		instances: map[string]*gpuruntimev1.Instance{}, running: map[string]int{}, behaviour: map[int64]Behaviour{},
		watchers: map[chan *gpuruntimev1.WatchInstancesResponse]bool{},
	}
	r.idle = sync.NewCond(&r.mu)
	return r
}

// Register puts the services on a server.
func (r *Runtime) Register(s grpc.ServiceRegistrar) {
	gpuruntimev1.RegisterRuntimeServiceServer(s, r)
	gpuruntimev1.RegisterInferenceServiceServer(s, r)
	gpuruntimev1.RegisterWatchServiceServer(s, r)
}

// Behave says how a version of every model behaves from now on.
func (r *Runtime) Behave(version int64, b Behaviour) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.behaviour[version] = b
}

// Rooms bounds how many instances fit.
func (r *Runtime) Rooms(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rooms = n
}

// Set puts an instance into a state, as an engine that dies or comes back does.
func (r *Runtime) Set(id string, s gpuruntimev1.InstanceState, message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set(id, s, message)
}

// Finish ends the loading of all that is held.
func (r *Runtime) Finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, i := range r.instances {
		if i.GetState() == Loading {
			r.set(id, Ready, "")
		}
	}
}

// Restart forgets everything and breaks all streams, as a process that died does.
func (r *Runtime) Restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.instances)
	for w := range r.watchers {
		close(w)
		delete(r.watchers, w)
	}
}

// Plant is an instance that nobody asked for.
func (r *Runtime) Plant(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.instances[id] = &gpuruntimev1.Instance{InstanceId: id, Spec: &gpuruntimev1.ModelSpec{}}
	r.set(id, Ready, "")
}

// IDs are the instances of a version that are there.
func (r *Runtime) IDs(version int64) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for id, i := range r.instances {
		if i.GetSpec().GetVersion() == version {
			ids = append(ids, id)
		}
	}
	return ids
}

// Count is how many instances are there.
func (r *Runtime) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.instances)
}

// Loads and Unloads are the ids of the calls that were taken, in order.
func (r *Runtime) Loads() []string { return r.copy(&r.loads) }

// Unloads are the ids that were unloaded, in order.
func (r *Runtime) Unloads() []string { return r.copy(&r.unloads) }

func (r *Runtime) copy(list *[]string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), *list...)
}

// Probes is how many requests were begun.
func (r *Runtime) Probes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.probes
}

func (r *Runtime) set(id string, s gpuruntimev1.InstanceState, message string) {
	old := r.instances[id]
	if old == nil {
		return
	}
	r.generation++
	i := &gpuruntimev1.Instance{InstanceId: id, Spec: old.GetSpec(), State: s, Message: message, Generation: r.generation}
	r.instances[id] = i
	if s == stopped {
		delete(r.instances, id)
	}
	for w := range r.watchers {
		w <- &gpuruntimev1.WatchInstancesResponse{Instances: []*gpuruntimev1.Instance{i}}
	}
}

func unavailable(format string, args ...any) error {
	return fault.New("gpu-runtime", fault.Unavailable, format, args...)
}

// LoadModel takes the instance on, and brings it up at once unless it misbehaves.
func (r *Runtime) LoadModel(_ context.Context, req *gpuruntimev1.LoadModelRequest) (*gpuruntimev1.LoadModelResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, b := req.GetInstanceId(), r.behaviour[req.GetSpec().GetVersion()]
	if i, ok := r.instances[id]; ok {
		return &gpuruntimev1.LoadModelResponse{Instance: i}, nil
	}
	if b.Refuse != nil {
		return nil, b.Refuse
	}
	if r.rooms > 0 && len(r.instances) >= r.rooms {
		return nil, fault.New("gpu-runtime", fault.ResourceExhausted, "needs 3 GiB, 1 GiB is free")
	}
	r.loads = append(r.loads, id)
	r.instances[id] = &gpuruntimev1.Instance{InstanceId: id, Spec: req.GetSpec()}
	r.set(id, Loading, "")
	answer := r.instances[id]
	switch {
	case b.Break != "":
		r.set(id, Failed, b.Break)
	case !b.Hold:
		r.set(id, Ready, "")
	}
	return &gpuruntimev1.LoadModelResponse{Instance: answer}, nil
}

// UnloadModel drains in the background.
func (r *Runtime) UnloadModel(_ context.Context, req *gpuruntimev1.UnloadModelRequest) (*gpuruntimev1.UnloadModelResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := req.GetInstanceId()
	if i, ok := r.instances[id]; ok && i.GetState() != Draining {
		r.unloads = append(r.unloads, id)
		r.set(id, Draining, "")
		go r.drain(id)
	}
	return &gpuruntimev1.UnloadModelResponse{}, nil
}

func (r *Runtime) drain(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.running[id] > 0 {
		r.idle.Wait()
	}
	r.set(id, stopped, "")
}

// WatchInstances sends all and then each change.
func (r *Runtime) WatchInstances(_ *gpuruntimev1.WatchInstancesRequest, out grpc.ServerStreamingServer[gpuruntimev1.WatchInstancesResponse]) error {
	changes := make(chan *gpuruntimev1.WatchInstancesResponse, 1024)
	first := &gpuruntimev1.WatchInstancesResponse{Snapshot: true}
	r.mu.Lock()
	for _, i := range r.instances {
		first.Instances = append(first.Instances, i)
	}
	r.watchers[changes] = true
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watchers, changes)
	}()
	if err := out.Send(first); err != nil {
		return err
	}
	for {
		select {
		case <-out.Context().Done():
			return out.Context().Err()
		case c, ok := <-changes:
			if !ok {
				return unavailable("the runtime restarts")
			}
			if err := out.Send(c); err != nil {
				return err
			}
		}
	}
}

// Generate writes one word, when the instance answers.
func (r *Runtime) Generate(req *gpuruntimev1.GenerateRequest, out grpc.ServerStreamingServer[gpuruntimev1.GenerateResponse]) error {
	done, b, err := r.begin(req.GetInstanceId())
	if err != nil {
		return err
	}
	defer done()
	switch {
	case b.Embeds:
		return fault.New("gpu-runtime", fault.FailedPrecondition, "this model makes embeddings only; it cannot write")
	case b.Mute != nil:
		return b.Mute
	case b.Hanging:
		<-out.Context().Done()
		return out.Context().Err()
	}
	if err := out.Send(&gpuruntimev1.GenerateResponse{Part: &gpuruntimev1.GenerateResponse_Delta{Delta: "yes"}}); err != nil {
		return err
	}
	return out.Send(&gpuruntimev1.GenerateResponse{Part: &gpuruntimev1.GenerateResponse_Finish{Finish: &gpuruntimev1.Finish{Reason: gpuruntimev1.FinishReason_FINISH_REASON_LENGTH}}})
}

// Embed makes a vector, when the instance answers and the model embeds.
func (r *Runtime) Embed(_ context.Context, req *gpuruntimev1.EmbedRequest) (*gpuruntimev1.EmbedResponse, error) {
	done, b, err := r.begin(req.GetInstanceId())
	if err != nil {
		return nil, err
	}
	defer done()
	if !b.Embeds {
		return nil, fault.New("gpu-runtime", fault.FailedPrecondition, "this model makes no embeddings")
	}
	return &gpuruntimev1.EmbedResponse{Embeddings: []*gpuruntimev1.Embedding{{Values: []float32{1, 0}}}}, nil
}

func (r *Runtime) begin(id string) (done func(), b Behaviour, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.probes++
	i, ok := r.instances[id]
	if !ok {
		return nil, b, fault.New("gpu-runtime", fault.NotFound, "no instance %q", id)
	}
	if i.GetState() != Ready {
		return nil, b, unavailable("instance %q is %s", id, i.GetState())
	}
	r.running[id]++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.running[id]--
		r.idle.Broadcast()
	}, r.behaviour[i.GetSpec().GetVersion()], nil
}
