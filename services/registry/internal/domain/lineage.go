package domain

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Relation is how downstream came from or uses upstream.
type Relation string

// The relations.
const (
	DerivedFrom Relation = "derived_from" // a version made from a version or a run
	Serves      Relation = "serves"       // upstream: a version; downstream: the endpoint that serves it
	LogsTo      Relation = "logs_to"      // upstream: an endpoint; downstream: its table
	TrainedOn   Relation = "trained_on"   // upstream: a table; downstream: a version
	Renders     Relation = "renders"      // upstream: a prompt version; downstream: the endpoint that renders it
)

// ParseRelation refuses a relation that is none of the above.
func ParseRelation(s string) (Relation, error) {
	r := Relation(s)
	if !slices.Contains([]Relation{DerivedFrom, Serves, LogsTo, TrainedOn, Renders}, r) {
		return "", invalid("LINEAGE_INVALID", "the relation %q is none of derived_from, serves, logs_to, trained_on, renders", s)
	}
	return r, nil
}

// Edge says that downstream was made from or uses upstream. Both are canonical entity URIs.
type Edge struct {
	Upstream   string
	Downstream string
	Relation   Relation
	CreateTime time.Time
	Creator    string
}

// Limits of lineage.
const (
	MaxEntity       = 1024 // bytes of an entity's URI
	DefaultDepth    = 3
	MaxDepth        = 10
	MaxLineageEdges = 10_000 // found by one walk
)

// Entity is one end of an edge: a version or an endpoint of this platform, or something outside it that is only named.
type Entity struct {
	Securable Ref        // what access is decided on; the zero Ref for a thing outside
	Version   VersionRef // of a model or prompt version; its alias, if it has one, still to be resolved
	uri       string
}

// ParseEntity reads `models:/c.s.m/3`, `models:/c.s.m@alias`, `prompts:/…` likewise, `endpoints:/name`, `table:/path` or
// `run:/id`.
func ParseEntity(uri string) (Entity, error) {
	if len(uri) > MaxEntity || !utf8.ValidString(uri) || strings.ContainsFunc(uri, unicode.IsControl) {
		return Entity{}, invalid("LINEAGE_INVALID", "an entity is one line of valid UTF-8 of at most %d bytes", MaxEntity)
	}
	scheme, rest, _ := strings.Cut(uri, ":/")
	switch scheme {
	case "models", "prompts":
		v, err := ParseVersionRef(SecurableType(strings.TrimSuffix(scheme, "s")), uri)
		return Entity{Securable: v.Line, Version: v}, err
	case "endpoints":
		ref, err := ParseRef(TypeEndpoint, rest)
		return Entity{Securable: ref, uri: EndpointURI(ref.FullName)}, err
	case "table", "run":
		if rest == "" {
			return Entity{}, invalid("LINEAGE_INVALID", "%q names nothing", uri)
		}
		return Entity{uri: uri}, nil
	}
	return Entity{}, invalid("LINEAGE_INVALID", "%q is no entity: want models:/…, prompts:/…, endpoints:/…, table:/… or run:/…", uri)
}

// Outside reports whether the entity is not of this registry.
func (e Entity) Outside() bool { return e.Securable == Ref{} }

// URI is the entity's canonical name. version is the number that its alias was resolved to; it is not looked at when the
// entity has none.
func (e Entity) URI(version int64) string {
	switch {
	case e.Version.Alias != "":
		return VersionURI(e.Version.Line, version)
	case e.Version.Version != 0:
		return VersionURI(e.Version.Line, e.Version.Version)
	}
	return e.uri
}

// SourceEntity is the entity that a version's free-text source names, if it names one.
func SourceEntity(source string) (e Entity, relation Relation, ok bool) {
	e, err := ParseEntity(source)
	if err != nil {
		return Entity{}, "", false
	}
	if strings.HasPrefix(source, "table:/") {
		return e, TrainedOn, true
	}
	return e, DerivedFrom, true
}
