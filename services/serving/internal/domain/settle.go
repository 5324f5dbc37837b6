package domain

// settle gives every key that a revision needs exactly one live instance and retires the others. It is called by every
// transition, so that instances follow from revisions and are never managed beside them.
func (e *Endpoint) settle(s Stamp) {
	for i := range e.Instances {
		if inst := &e.Instances[i]; inst.live() && !e.Active.needs(inst.Key) && !e.Pending.needs(inst.Key) {
			inst.State, inst.Since, inst.RetiredRevision = Retired, s.Now, 0
		}
	}
	for _, r := range []*Revision{e.Active, e.Pending} {
		for _, k := range r.Keys() {
			if e.instance(k) == nil && !e.revive(k) {
				e.Instances = append(e.Instances, Instance{
					ID: s.Prefix + "." + e.Name + "." + s.IDs.New(), Key: k, Runtime: s.Runtime, State: Loading, CreateTime: s.Now,
				})
			}
		}
	}
	e.UpdateTime = s.Now
	e.refresh()
}

// revive takes a retired instance back while its unloading has not begun: a rollback soon after an update finds its
// model still warm. It must answer once more before it is routed to. One that never answered is not taken back: whatever
// kept it from answering, the next attempt begins afresh.
func (e *Endpoint) revive(k Key) bool {
	for i := range e.Instances {
		if inst := &e.Instances[i]; inst.Key == k && inst.State == Retired && inst.Probed {
			inst.State = Loading
			return true
		}
	}
	return false
}

// Probed records that an instance answered, and swaps the pending revision in when that was the last thing missing. It
// reports false when the instance does not wait for a probe any more.
func (e *Endpoint) Probed(id string, s Stamp) bool {
	i := e.Instance(id)
	if i == nil || i.State != Loading && i.State != Recovering {
		return false
	}
	i.State, i.Probed, i.Message = Serving, true, ""
	e.UpdateTime = s.Now
	e.refresh()
	e.activateWhenReady(s)
	return true
}

// Lost records that a serving instance does not answer now.
func (e *Endpoint) Lost(id, why string, s Stamp) bool {
	i := e.Instance(id)
	if i == nil || i.State != Serving {
		return false
	}
	i.State, i.Message = Recovering, why
	e.UpdateTime = s.Now
	e.refresh()
	return true
}

// Note records what the runtime says of an instance that is not up yet.
func (e *Endpoint) Note(id, message string, s Stamp) bool {
	i := e.Instance(id)
	if i == nil || i.Message == message || i.State != Loading && i.State != Recovering {
		return false
	}
	i.Message = message
	e.UpdateTime = s.Now
	e.refresh()
	return true
}

// Release records that no gateway names a retired instance any more, after which no revision takes it back.
func (e *Endpoint) Release(id string, s Stamp) bool {
	i := e.Instance(id)
	if i == nil || i.State != Retired {
		return false
	}
	i.State, i.Since = Unloading, s.Now
	return true
}

// Gone forgets an instance that the runtime was told to unload.
func (e *Endpoint) Gone(id string) bool {
	for n, i := range e.Instances {
		if i.ID == id && i.State == Unloading {
			e.Instances = append(e.Instances[:n:n], e.Instances[n+1:]...)
			return true
		}
	}
	return false
}
