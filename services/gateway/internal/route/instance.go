package route

import (
	"sync"
	"sync/atomic"

	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
)

// Instance is one running copy of a model. Its state is told by its gpu-runtime; its load is what this gateway has sent it
// and not yet got back.
type Instance struct {
	ID      string
	Runtime string // the peer that runs it

	state      atomic.Int32
	load       atomic.Int64
	embeddings atomic.Int32
}

// Usable says whether a request may be sent. Of an instance that nobody has told about yet, serving's word is taken: it put
// it into the table.
func (i *Instance) Usable() bool {
	s := gpuruntimev1.InstanceState(i.state.Load())
	return s == gpuruntimev1.InstanceState_INSTANCE_STATE_READY || s == gpuruntimev1.InstanceState_INSTANCE_STATE_UNSPECIFIED
}

// Hopeless says that the instance will not come back.
func (i *Instance) Hopeless() bool {
	s := gpuruntimev1.InstanceState(i.state.Load())
	return s == gpuruntimev1.InstanceState_INSTANCE_STATE_FAILED || s == gpuruntimev1.InstanceState_INSTANCE_STATE_STOPPED
}

// EmbeddingLength is the length of the model's vectors; 0 when it is not known.
func (i *Instance) EmbeddingLength() int { return int(i.embeddings.Load()) }

// Acquire counts a request in; the returned function counts it out, once.
func (i *Instance) Acquire() (release func()) {
	i.load.Add(1)
	var once sync.Once
	return func() { once.Do(func() { i.load.Add(-1) }) }
}

// Load is how many requests of this gateway run there.
func (i *Instance) Load() int64 { return i.load.Load() }

// Instances holds the state of all instances ever named.
type Instances struct {
	mu      sync.Mutex
	known   map[string]*Instance // by runtime and id
	changed chan struct{}
}

// NewInstances knows none yet.
func NewInstances() *Instances {
	return &Instances{known: map[string]*Instance{}, changed: make(chan struct{})}
}

// Changed is closed at the next change of any instance or of the routes. Take it before looking, then nothing is missed.
func (s *Instances) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *Instances) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Instances) get(runtime, id string) *Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.getLocked(runtime, id)
}

func (s *Instances) getLocked(runtime, id string) *Instance {
	key := runtime + "\x00" + id
	i := s.known[key]
	if i == nil {
		i = &Instance{ID: id, Runtime: runtime}
		s.known[key] = i
	}
	return i
}

// update takes what a runtime told. A snapshot names all there are: what it does not name is gone, unless nothing was ever
// told of it, since serving may name an instance before its runtime does.
func (s *Instances) update(runtime string, m *gpuruntimev1.WatchInstancesResponse) {
	s.mu.Lock()
	named := map[*Instance]bool{}
	for _, told := range m.GetInstances() {
		i := s.getLocked(runtime, told.GetInstanceId())
		i.state.Store(int32(told.GetState()))
		i.embeddings.Store(told.GetEmbeddingLength())
		named[i] = true
	}
	if m.GetSnapshot() {
		for _, i := range s.known {
			if i.Runtime == runtime && !named[i] && i.state.Load() != 0 {
				i.state.Store(int32(gpuruntimev1.InstanceState_INSTANCE_STATE_STOPPED))
			}
		}
	}
	s.mu.Unlock()
	s.announce()
}

// forget drops what no route names and nobody uses.
func (s *Instances) forget(t *Table) {
	keep := map[*Instance]bool{}
	for _, e := range t.sorted {
		for _, entity := range e.Entities {
			for _, i := range entity.Instances {
				keep[i] = true
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, i := range s.known {
		if !keep[i] && i.Hopeless() && i.Load() == 0 {
			delete(s.known, key)
		}
	}
}

// Choose is the usable instance with the least load, leaving out those tried before; nil when there is none.
func (e *Entity) Choose(tried []*Instance) *Instance {
	var best *Instance
	for _, i := range e.Instances {
		if i.Usable() && !contains(tried, i) && (best == nil || i.Load() < best.Load()) {
			best = i
		}
	}
	return best
}

// Hopeless says that the entity runs on instances, and that none of them will answer, now or later.
func (e *Entity) Hopeless() bool {
	for _, i := range e.Instances {
		if !i.Hopeless() {
			return false
		}
	}
	return len(e.Instances) > 0
}

func contains(list []*Instance, i *Instance) bool {
	for _, other := range list {
		if other == i {
			return true
		}
	}
	return false
}
