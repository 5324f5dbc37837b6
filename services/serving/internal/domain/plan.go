package domain

import (
	"fmt"
	"time"
)

// RuntimeState is what a runtime says of an instance. An instance that it does not know is not among its observations.
type RuntimeState string

// The states that matter to serving.
const (
	RuntimeLoading    RuntimeState = "LOADING"
	RuntimeReady      RuntimeState = "READY"
	RuntimeRestarting RuntimeState = "RESTARTING"
	RuntimeDraining   RuntimeState = "DRAINING"
	RuntimeFailed     RuntimeState = "FAILED"
)

// Observation is the last that a runtime said of an instance.
type Observation struct {
	State   RuntimeState
	Message string
}

// Sighting is an observation with the instance it is of and its place among the others of that instance. One that is gone
// has no state.
type Sighting struct {
	ID         string
	Generation int64
	Observation
}

// View is the world outside the store at one moment.
type View struct {
	Now       time.Time
	Connected bool      // the runtime is being watched and has named all it has
	Since     time.Time // when Connected last changed
	Instances map[string]Observation
	Applied   int64 // the lowest routing table that any connected gateway applied; math.MaxInt64 when none is connected
}

// Limits bound the waiting.
type Limits struct {
	LoadTimeout  time.Duration // from the making of a revision to its failure
	AckTimeout   time.Duration // for gateways to apply a table that no longer names an instance
	Linger       time.Duration // after that, for requests that a gateway has picked an instance for and not yet sent
	RuntimeGrace time.Duration // for a runtime to come back before its instances count as lost
}

// Verb is one thing that a step does.
type Verb string

// The verbs. Each is safe to do twice: a step that was done and not recorded is done again.
const (
	VerbRegister   Verb = "register"   // make the endpoint known as a securable
	VerbLoad       Verb = "load"       // ask the runtime for the instance
	VerbReset      Verb = "reset"      // unload what failed for good, to load it anew
	VerbProbe      Verb = "probe"      // ask the instance for one token
	VerbNote       Verb = "note"       // record what the runtime says of it
	VerbLose       Verb = "lose"       // record that it does not answer now
	VerbFail       Verb = "fail"       // give the pending revision up
	VerbRelease    Verb = "release"    // record that no gateway names it any more
	VerbUnload     Verb = "unload"     // drain it, unload it and forget it
	VerbLineage    Verb = "lineage"    // record what the active revision is made of
	VerbFollow     Verb = "follow"     // look the references up again
	VerbUnregister Verb = "unregister" // forget the endpoint, in the registry and here
)

// Step is the next thing to do about an endpoint.
type Step struct {
	Verb     Verb
	Instance Instance          // of the verbs about an instance
	Message  string            // of note and lose
	Revision int64             // of fail
	Failed   map[string]string // of fail: entity to reason
}

// Plan says what is to be done about e, given the world as it looks, and when to look again although nothing happened
// (0: when something does). It decides everything and does nothing; done one by one and planned anew in between, its
// steps lead from any state, after any crash, to one in which it has nothing more to say.
func Plan(e *Endpoint, v View, l Limits) (steps []Step, again time.Duration) {
	p := planner{e: e, v: v, l: l}
	if !e.Registered && !e.Deleting {
		p.register()
	}
	if !p.failing() {
		for _, i := range e.Instances {
			p.instance(i)
		}
	}
	if e.Active != nil && !e.Active.Lineage && e.Registered { // edges end at what the registry knows
		p.do(Step{Verb: VerbLineage})
	}
	if e.Stale() && e.Pending == nil && e.Active != nil {
		p.do(Step{Verb: VerbFollow})
	}
	if e.Deleting && len(e.Instances) == 0 {
		p.do(Step{Verb: VerbUnregister})
	}
	return p.steps, p.again
}

// CreationTime is how long whoever creates an endpoint has for registering it. Only when that is over has the creator
// died in between, and the reconciler does it: two at once would undo each other's work.
const CreationTime = 15 * time.Second

type planner struct {
	e     *Endpoint
	v     View
	l     Limits
	steps []Step
	again time.Duration
}

func (p *planner) do(s Step) { p.steps = append(p.steps, s) }

// wait asks for another look at a time.
func (p *planner) wait(until time.Time) {
	if d := max(until.Sub(p.v.Now), time.Millisecond); p.again == 0 || d < p.again {
		p.again = d
	}
}

func (p *planner) register() {
	if over := p.e.CreateTime.Add(CreationTime); p.v.Now.Before(over) {
		p.wait(over)
		return
	}
	p.do(Step{Verb: VerbRegister})
}

// failing gives the pending revision up when an instance that it alone needs failed before it ever answered, or when its
// time is over. It comes before all else: loading for a revision that is lost is wasted.
func (p *planner) failing() bool {
	r := p.e.Pending
	if r == nil {
		return false
	}
	deadline := r.CreateTime.Add(p.l.LoadTimeout)
	late := !p.v.Now.Before(deadline)
	failed := map[string]string{}
	for i, entity := range r.Config.Entities {
		key, local := r.Key(i)
		if !local {
			continue
		}
		inst := p.e.instance(key)
		if inst == nil || inst.State == Serving || p.e.Active.needs(key) {
			continue
		}
		switch o, known := p.v.Instances[inst.ID]; {
		case p.v.Connected && known && o.State == RuntimeFailed && !inst.Probed:
			failed[entity.Name] = orElse(o.Message, "the model could not be loaded")
		case late:
			failed[entity.Name] = fmt.Sprintf("not ready within %s: %s", p.l.LoadTimeout, orElse(inst.Message, "no answer from the runtime"))
		}
	}
	if len(failed) == 0 {
		p.wait(deadline)
		return false
	}
	p.do(Step{Verb: VerbFail, Revision: r.Number, Failed: failed})
	return true
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
