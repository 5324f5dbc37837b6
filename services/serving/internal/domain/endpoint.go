package domain

import (
	"fmt"
	"slices"
	"time"
)

// Readiness says whether an endpoint answers.
type Readiness string

// The two readinesses.
const (
	NotReady Readiness = "NOT_READY" // no revision is active yet
	Ready    Readiness = "READY"     // the active revision answers
)

// Update says whether a change of configuration is under way.
type Update string

// The states of an update.
const (
	NotUpdating    Update = "NOT_UPDATING"
	Updating       Update = "UPDATING" // Pending is being brought up
	UpdateFailed   Update = "FAILED"   // the last one failed; UpdateMessage says why
	UpdateCanceled Update = "CANCELED" // the last one was given up
)

// Endpoint is a name that answers, with everything that is to change together: its two revisions and the instances they
// stand on. The transitions in this package are the only way to change it.
type Endpoint struct {
	ID            string
	Name          string
	Description   string
	Owner         string
	Tags          map[string]string
	Update        Update
	UpdateMessage string
	LastRevision  int64 // the highest number given out
	Active        *Revision
	Pending       *Revision
	Instances     []Instance // by creation
	// FollowWanted grows whenever a reference may have come to mean something else, FollowDone follows it when the
	// registry has been asked. Two numbers and not a mark, so that a move during the asking is not forgotten.
	FollowWanted int64
	FollowDone   int64
	Registered   bool // the registry knows it as a securable
	Deleting     bool
	CreateTime   time.Time
	UpdateTime   time.Time

	// Closed are revisions that ended in this change: superseded, failed or given up. The store keeps their last states.
	Closed []Revision
}

// Readiness is READY from the first active revision on: later failures show in the deployments, not here, because the
// endpoint still has something to route to.
func (e *Endpoint) Readiness() Readiness {
	if e.Active == nil {
		return NotReady
	}
	return Ready
}

// Stale reports whether the references must be looked up again.
func (e *Endpoint) Stale() bool { return e.FollowWanted > e.FollowDone }

// Newest is the revision that a change would replace: the pending one, else the active one; nil when there is neither.
func (e *Endpoint) Newest() *Revision {
	if e.Pending != nil {
		return e.Pending
	}
	return e.Active
}

// instance is the live instance for a key, nil when there is none.
func (e *Endpoint) instance(k Key) *Instance {
	for i := range e.Instances {
		if e.Instances[i].Key == k && e.Instances[i].live() {
			return &e.Instances[i]
		}
	}
	return nil
}

// Instance is the instance with an id, nil when there is none.
func (e *Endpoint) Instance(id string) *Instance {
	for i := range e.Instances {
		if e.Instances[i].ID == id {
			return &e.Instances[i]
		}
	}
	return nil
}

// Check verifies the invariants that every transition keeps. Stores call it before they write, so that a mistake here
// cannot reach the disk:
//
//   - UPDATING exactly when a revision is pending; a failed update has a message;
//   - revision numbers never exceed LastRevision, and the pending one is the newest;
//   - every revision has a pin and a state per entity;
//   - every key of the active and the pending revision has exactly one live instance, and no other instance is live;
//   - what the active revision stands on has been probed;
//   - an endpoint being deleted has no revisions.
func (e *Endpoint) Check() error {
	if (e.Pending != nil) != (e.Update == Updating) {
		return fmt.Errorf("endpoint %s: update is %s with pending=%t", e.ID, e.Update, e.Pending != nil)
	}
	if e.Update == UpdateFailed && e.UpdateMessage == "" {
		return fmt.Errorf("endpoint %s: a failed update without a message", e.ID)
	}
	if e.Pending != nil && e.Pending.Number != e.LastRevision {
		return fmt.Errorf("endpoint %s: revision %d pends, the last is %d", e.ID, e.Pending.Number, e.LastRevision)
	}
	if e.Active != nil && e.Active.Number > e.LastRevision {
		return fmt.Errorf("endpoint %s: revision %d is active, the last is %d", e.ID, e.Active.Number, e.LastRevision)
	}
	if e.Deleting && (e.Active != nil || e.Pending != nil) {
		return fmt.Errorf("endpoint %s: is being deleted and has a revision", e.ID)
	}
	for _, r := range []*Revision{e.Active, e.Pending} {
		if r != nil && (len(r.Pins) != len(r.Config.Entities) || len(r.States) != len(r.Config.Entities)) {
			return fmt.Errorf("endpoint %s: revision %d has %d entities, %d pins, %d states", e.ID, r.Number, len(r.Config.Entities), len(r.Pins), len(r.States))
		}
	}
	return e.checkInstances()
}

func (e *Endpoint) checkInstances() error {
	needed := append(e.Active.Keys(), e.Pending.Keys()...)
	var live []Key
	for _, i := range e.Instances {
		switch {
		case !i.live():
			continue
		case slices.Contains(live, i.Key):
			return fmt.Errorf("endpoint %s: two live instances of %v", e.ID, i.Key)
		case !slices.Contains(needed, i.Key):
			return fmt.Errorf("endpoint %s: instance %s is %s and nothing needs it", e.ID, i.ID, i.State)
		case !i.Probed && e.Active.needs(i.Key):
			return fmt.Errorf("endpoint %s: the active revision stands on instance %s, which never answered", e.ID, i.ID)
		}
		live = append(live, i.Key)
	}
	for _, k := range needed {
		if !slices.Contains(live, k) {
			return fmt.Errorf("endpoint %s: nothing is live for %v", e.ID, k)
		}
	}
	return nil
}
