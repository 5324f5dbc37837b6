package domain

import (
	"slices"
	"strconv"
	"time"
)

// ModelVersion is a version of a registered model; the zero value is none.
type ModelVersion struct {
	Name    string `json:"name,omitempty"`
	Version int64  `json:"version,omitempty"`
}

// String is "models:/c.s.m/3", "" for none.
func (m ModelVersion) String() string {
	if m.Version == 0 {
		return ""
	}
	return string(Models) + ":/" + m.Name + "/" + strconv.FormatInt(m.Version, 10)
}

// PromptVersion is a version of a prompt, with the digest under which its template is kept; the zero value is none.
type PromptVersion struct {
	Name    string `json:"name,omitempty"`
	Version int64  `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"`
}

// String is "prompts:/c.s.p/2", "" for none.
func (p PromptVersion) String() string {
	if p.Version == 0 {
		return ""
	}
	return string(Prompts) + ":/" + p.Name + "/" + strconv.FormatInt(p.Version, 10)
}

// Pin is what the references of one entity meant when its revision was made.
type Pin struct {
	Model  ModelVersion  `json:"model,omitzero"`
	Prompt PromptVersion `json:"prompt,omitzero"`
}

// Key is what makes two entities able to share an instance: the same version with the same parameters.
type Key struct {
	Model         ModelVersion
	ContextLength int32
	Parallel      int32
}

// Revision is a configuration with its references pinned. It never changes; what becomes of it does (States, Lineage).
type Revision struct {
	Number     int64
	Config     Config
	Pins       []Pin         // one per entity, in order
	States     []EntityState // one per entity, in order; as last recorded
	Lineage    bool          // its edges stand in the registry
	Creator    string
	CreateTime time.Time
}

// Key is what entity i needs loaded; false when it needs nothing.
func (r *Revision) Key(i int) (Key, bool) {
	m := r.Config.Entities[i].Model
	if m == nil {
		return Key{}, false
	}
	return Key{Model: r.Pins[i].Model, ContextLength: m.ContextLength, Parallel: m.Parallel}, true
}

// Keys are all that the revision needs loaded, each once.
func (r *Revision) Keys() []Key {
	if r == nil {
		return nil
	}
	var keys []Key
	for i := range r.Config.Entities {
		if k, ok := r.Key(i); ok && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys
}

// needs reports whether any entity of the revision stands on k. A nil revision needs nothing.
func (r *Revision) needs(k Key) bool { return slices.Contains(r.Keys(), k) }
