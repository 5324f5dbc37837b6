package domain

// Settled reports whether nothing is left to do about the endpoint as far as the store can tell: what remains is to watch
// that the runtime still has what it serves. Stores keep it beside the row, so that a reconciler that has just started
// finds its work without reading everything.
func (e *Endpoint) Settled() bool {
	if !e.Registered || e.Deleting || e.Pending != nil || e.Stale() || e.Active != nil && !e.Active.Lineage {
		return false
	}
	for _, i := range e.Instances {
		if i.State != Serving {
			return false
		}
	}
	return true
}

// Following are the references of revision r that follow an alias, under the names that the registry's events use.
func (r *Revision) Following() []string {
	var uris []string
	add := func(scheme Scheme, text, name string) {
		if ref, err := ParseReference(scheme, text); err == nil && ref.Follows() {
			ref.Name = name
			uris = append(uris, ref.String())
		}
	}
	for i, e := range r.Config.Entities {
		if e.Model != nil {
			add(Models, e.Model.Reference, r.Pins[i].Model.Name)
		}
		if e.Prompt != "" {
			add(Prompts, e.Prompt, r.Pins[i].Prompt.Name)
		}
	}
	return uris
}
