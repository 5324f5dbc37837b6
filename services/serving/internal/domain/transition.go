package domain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
)

// Stamp is what a transition needs of the world: when it happens, where ids come from, and where new instances go.
type Stamp struct {
	Now     time.Time
	IDs     id.Source
	Prefix  string // of instance ids, so that an orphan can be told from somebody else's instance
	Runtime string // the peer that new instances are loaded at
}

// Draft is a new endpoint without a revision.
func Draft(name, description, owner string, tags map[string]string, s Stamp) *Endpoint {
	return &Endpoint{
		ID: s.IDs.New(), Name: name, Description: description, Owner: owner, Tags: tags,
		Update: NotUpdating, CreateTime: s.Now, UpdateTime: s.Now,
	}
}

// Expect refuses with Aborted unless the active revision is the one that the caller has seen; 0 expects nothing.
func (e *Endpoint) Expect(revision int64) error {
	var active int64
	if e.Active != nil {
		active = e.Active.Number
	}
	if revision != 0 && revision != active {
		return fault.New("serving.UpdateConfig", fault.Aborted, "the active revision of endpoint %q is %d, not %d", e.Name, active, revision).
			WithReason("REVISION_CHANGED")
	}
	return nil
}

// Propose makes the next revision, with c normalised and one pin per entity, pending. When everything it needs already
// serves (a change of traffic, of prompts, of external models) it becomes active at once. While another revision is
// pending it is refused with FailedPrecondition.
func (e *Endpoint) Propose(c Config, pins []Pin, by string, s Stamp) error {
	if e.Deleting {
		return fault.New("serving.Propose", fault.FailedPrecondition, "endpoint %q is being deleted", e.Name).WithReason("ENDPOINT_DELETING")
	}
	if e.Pending != nil {
		return fault.New("serving.Propose", fault.FailedPrecondition,
			"endpoint %q is being updated to revision %d: wait for it or cancel it", e.Name, e.Pending.Number).WithReason("UPDATE_IN_PROGRESS")
	}
	e.LastRevision++
	e.Pending = &Revision{Number: e.LastRevision, Config: c, Pins: pins, Creator: by, CreateTime: s.Now}
	e.Update, e.UpdateMessage = Updating, ""
	if c.Follows() {
		e.FollowWanted++ // an alias may have moved between its resolution and now
	}
	e.settle(s)
	e.activateWhenReady(s)
	return nil
}

// FailUpdate gives the pending revision up because of the named entities and keeps the active one as it is. It reports
// false when revision does not pend any more.
func (e *Endpoint) FailUpdate(revision int64, failed map[string]string, s Stamp) bool {
	if e.Pending == nil || e.Pending.Number != revision {
		return false
	}
	var why []string
	for _, entity := range e.Pending.Config.Entities {
		if text, ok := failed[entity.Name]; ok {
			why = append(why, fmt.Sprintf("served entity %q: %s", entity.Name, text))
		}
	}
	e.close(e.Pending, ended(e.Pending, failed))
	e.Pending, e.Update, e.UpdateMessage = nil, UpdateFailed, strings.Join(why, "; ")
	if e.UpdateMessage == "" {
		e.UpdateMessage = "the update failed"
	}
	e.settle(s)
	return true
}

// CancelUpdate gives the pending revision up because somebody said so; FailedPrecondition when nothing pends.
func (e *Endpoint) CancelUpdate(by string, s Stamp) error {
	if e.Pending == nil {
		return fault.New("serving.CancelUpdate", fault.FailedPrecondition, "endpoint %q is not being updated", e.Name).WithReason("NO_UPDATE")
	}
	e.close(e.Pending, ended(e.Pending, nil))
	e.Pending, e.Update, e.UpdateMessage = nil, UpdateCanceled, "canceled by "+by
	e.settle(s)
	return nil
}

// Delete takes the endpoint out of the routes and retires all it has. What remains is carried off by the reconciler.
func (e *Endpoint) Delete(s Stamp) {
	if e.Pending != nil {
		e.close(e.Pending, ended(e.Pending, nil))
	}
	if e.Active != nil {
		e.close(e.Active, e.Active.States)
	}
	e.Active, e.Pending, e.Deleting = nil, nil, true
	e.Update, e.UpdateMessage = NotUpdating, ""
	e.settle(s)
}

// activateWhenReady swaps the pending revision in when every key it needs serves. A key that the active revision stands
// on as well does not hold it up even while recovering: the swap makes it no worse, and a change of traffic away from a
// broken model must not wait for that model.
func (e *Endpoint) activateWhenReady(s Stamp) {
	if e.Pending == nil {
		return
	}
	for _, k := range e.Pending.Keys() {
		if i := e.instance(k); i == nil || i.State != Serving && !e.Active.needs(k) {
			return
		}
	}
	if e.Active != nil {
		e.close(e.Active, e.Active.States)
	}
	e.Active, e.Pending = e.Pending, nil
	e.Update, e.UpdateMessage = NotUpdating, ""
	e.settle(s)
}

func (e *Endpoint) close(r *Revision, states []EntityState) {
	ended := *r
	ended.States = slices.Clone(states)
	e.Closed = append(e.Closed, ended)
}

// Blame are the entities of the pending revision that cannot come up without an instance, each with the reason; none when
// the active revision stands on it as well, because then it is not the update that is broken.
func (e *Endpoint) Blame(id, why string) (revision int64, failed map[string]string) {
	inst := e.Instance(id)
	if inst == nil || e.Pending == nil || e.Active.needs(inst.Key) {
		return 0, nil
	}
	for i, entity := range e.Pending.Config.Entities {
		if key, local := e.Pending.Key(i); local && key == inst.Key {
			if failed == nil {
				failed = map[string]string{}
			}
			failed[entity.Name] = why
		}
	}
	return e.Pending.Number, failed
}
