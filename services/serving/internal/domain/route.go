package domain

// Route is how one endpoint's requests are spread. The JSON names are what stores keep.
type Route struct {
	EndpointID string        `json:"endpoint_id"`
	Name       string        `json:"name"`
	Revision   int64         `json:"revision"`
	Entities   []EntityRoute `json:"entities"`
}

// EntityRoute is one served entity as a gateway and the prompt executor need it.
type EntityRoute struct {
	Name      string          `json:"name"`
	Percent   int32           `json:"percent"`
	Model     ModelVersion    `json:"model,omitzero"`
	Prompt    PromptVersion   `json:"prompt,omitzero"`
	Instances []InstanceRoute `json:"instances,omitempty"`
	External  *External       `json:"external,omitempty"`
}

// InstanceRoute is one running copy and the peer that runs it.
type InstanceRoute struct {
	ID      string `json:"id"`
	Runtime string `json:"runtime"`
}

// RouteTable is every endpoint that answers, by name. Revision grows with each change of any of them.
type RouteTable struct {
	Revision int64
	Routes   []Route
}

// Find is the entity of an endpoint: found says that the endpoint is in the table, and the entity is nil when the
// endpoint has none of that name.
func (t RouteTable) Find(endpoint, entity string) (e *EntityRoute, found bool) {
	for i := range t.Routes {
		if t.Routes[i].Name != endpoint {
			continue
		}
		for n := range t.Routes[i].Entities {
			if t.Routes[i].Entities[n].Name == entity {
				return &t.Routes[i].Entities[n], true
			}
		}
		return nil, true
	}
	return nil, false
}

// RouteOf is the endpoint as gateways should see it now; nil when it must not be routed to. It is a function of the
// active revision alone: an instance that recovers stays named, because gateways watch the runtime themselves and the
// instance comes back under the same id.
func RouteOf(e *Endpoint) *Route {
	if e.Active == nil || e.Deleting {
		return nil
	}
	r := &Route{EndpointID: e.ID, Name: e.Name, Revision: e.Active.Number}
	for i, entity := range e.Active.Config.Entities {
		route := EntityRoute{
			Name: entity.Name, Percent: e.Active.Config.Percent(entity.Name), External: entity.External,
			Model: e.Active.Pins[i].Model, Prompt: e.Active.Pins[i].Prompt,
		}
		if key, local := e.Active.Key(i); local {
			if inst := e.instance(key); inst != nil {
				route.Instances = []InstanceRoute{{ID: inst.ID, Runtime: inst.Runtime}}
			}
		}
		r.Entities = append(r.Entities, route)
	}
	return r
}
