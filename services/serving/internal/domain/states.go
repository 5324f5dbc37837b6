package domain

// Deployment is the life of one served entity within a revision.
type Deployment string

// The deployments.
const (
	DeploymentCreating   Deployment = "CREATING"
	DeploymentReady      Deployment = "READY"
	DeploymentFailed     Deployment = "FAILED"
	DeploymentAborted    Deployment = "ABORTED"
	DeploymentRecovering Deployment = "RECOVERING"
)

// EntityState is what became of a served entity.
type EntityState struct {
	Deployment Deployment `json:"deployment"`
	Message    string     `json:"message,omitempty"`
	Instance   string     `json:"instance,omitempty"` // the id it stands on; empty for external
}

// refresh brings the states of both living revisions up to what their instances are in.
func (e *Endpoint) refresh() {
	for _, r := range []*Revision{e.Active, e.Pending} {
		if r == nil {
			continue
		}
		states := make([]EntityState, len(r.Config.Entities))
		for i := range states {
			states[i] = e.stateOf(r, i)
		}
		r.States = states
	}
}

func (e *Endpoint) stateOf(r *Revision, i int) EntityState {
	key, local := r.Key(i)
	if !local {
		return EntityState{Deployment: DeploymentReady}
	}
	inst := e.instance(key)
	if inst == nil { // cannot be once settled
		return EntityState{Deployment: DeploymentCreating}
	}
	s := EntityState{Instance: inst.ID, Message: inst.Message}
	switch inst.State {
	case Serving:
		s.Deployment = DeploymentReady
	case Recovering:
		s.Deployment = DeploymentRecovering
	default:
		s.Deployment = DeploymentCreating
	}
	return s
}

// ended are the states of a revision that is given up: the entities in failed say why, the rest are ABORTED.
func ended(r *Revision, failed map[string]string) []EntityState {
	states := make([]EntityState, len(r.Config.Entities))
	for i, entity := range r.Config.Entities {
		states[i] = EntityState{Deployment: DeploymentAborted}
		if why, ok := failed[entity.Name]; ok {
			states[i] = EntityState{Deployment: DeploymentFailed, Message: why}
		}
	}
	return states
}
