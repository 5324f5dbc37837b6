package domain

// Privilege is something that the registry can be asked about.
type Privilege string

// The privileges that serving asks about.
const (
	CreateEndpoint Privilege = "CREATE_ENDPOINT" // of the whole platform
	Execute        Privilege = "EXECUTE"         // of an endpoint: may query it
	Manage         Privilege = "MANAGE"          // of an endpoint: may change it
)

// Question asks whether a caller has a privilege on an endpoint, or on the platform when Endpoint is empty.
type Question struct {
	Endpoint  string
	Privilege Privilege
}

// Answer is the registry's decision.
type Answer struct {
	Allowed bool
	Visible bool   // the caller may know that the thing exists
	Reason  string // what is missing, for people
}

// Edge says what an endpoint uses.
type Edge struct {
	Upstream   string // "models:/c.s.m/3" or "prompts:/c.s.p/2"
	Downstream string // "endpoints:/name"
	Relation   string // "serves" or "renders"
}

// Edges are what revision r of an endpoint is made of, each once.
func (r *Revision) Edges(endpoint string) []Edge {
	var edges []Edge
	seen := map[string]bool{}
	add := func(upstream, relation string) {
		if upstream != "" && !seen[upstream] {
			seen[upstream] = true
			edges = append(edges, Edge{Upstream: upstream, Downstream: "endpoints:/" + endpoint, Relation: relation})
		}
	}
	for _, p := range r.Pins {
		add(p.Model.String(), "serves")
		add(p.Prompt.String(), "renders")
	}
	return edges
}

// Movement is news from the registry's event stream.
type Movement struct {
	Position  int64
	Reference string // "models:/c.s.m@alias" that was set or moved; empty when the event is of another kind
	Access    bool   // grants or ownership may have changed
}
