package domain

// instance plans one instance. What it wants comes from its state, what it has from the runtime.
func (p *planner) instance(i Instance) {
	switch i.State {
	case Loading, Recovering:
		p.bringUp(i)
	case Serving:
		p.watch(i)
	case Retired:
		p.retire(i)
	case Unloading:
		p.unload(i)
	}
}

// bringUp leads an instance that is wanted to its first, or next, answer.
func (p *planner) bringUp(i Instance) {
	if !p.v.Connected {
		p.note(i, "waiting for "+i.Runtime)
		return
	}
	o, known := p.v.Instances[i.ID]
	switch {
	case !known:
		p.do(Step{Verb: VerbLoad, Instance: i})
	case o.State == RuntimeReady:
		p.do(Step{Verb: VerbProbe, Instance: i})
	case o.State == RuntimeFailed: // of an instance that has answered before: the others fail their revision
		p.do(Step{Verb: VerbReset, Instance: i})
	default: // loading, restarting, or draining by somebody's hand; the watch tells when that is over
		p.note(i, o.Message)
	}
}

func (p *planner) note(i Instance, message string) {
	if message != "" && message != i.Message {
		p.do(Step{Verb: VerbNote, Instance: i, Message: message})
	}
}

// watch notices that a serving instance does not answer any more. A runtime that cannot be reached is given some time:
// it may only be restarting its connection, and gateways talk to it themselves.
func (p *planner) watch(i Instance) {
	if !p.v.Connected {
		gone := p.v.Since.Add(p.l.RuntimeGrace)
		if p.v.Now.Before(gone) {
			p.wait(gone)
			return
		}
		p.do(Step{Verb: VerbLose, Instance: i, Message: i.Runtime + " cannot be reached"})
		return
	}
	switch o, known := p.v.Instances[i.ID]; {
	case !known:
		p.do(Step{Verb: VerbLose, Instance: i, Message: i.Runtime + " does not have the model any more"})
	case o.State != RuntimeReady:
		p.do(Step{Verb: VerbLose, Instance: i, Message: orElse(o.Message, "the engine is "+string(o.State))})
	}
}

// retire releases an instance once no gateway can pick it any more: every connected one has applied a table that does not
// name it, or had its time to. One that never answered was never in a table.
func (p *planner) retire(i Instance) {
	waited := i.Since.Add(p.l.AckTimeout)
	if !i.Probed || p.v.Applied >= i.RetiredRevision || !p.v.Now.Before(waited) {
		p.do(Step{Verb: VerbRelease, Instance: i})
		return
	}
	p.wait(waited)
}

// unload lingers: a gateway may have picked the instance just before it applied the new table, and the request may still
// be on its way (a prompt being rendered, a guard asked). The runtime's own drain protects only what has arrived.
func (p *planner) unload(i Instance) {
	if lingered := i.Since.Add(p.l.Linger); i.Probed && p.v.Now.Before(lingered) {
		p.wait(lingered)
		return
	}
	p.do(Step{Verb: VerbUnload, Instance: i})
}
