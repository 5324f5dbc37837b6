package domain

import "time"

// EventKind is what happened.
type EventKind string

// The kinds that are stored. A heartbeat is not among them: it happens to a watcher, not to the registry.
const (
	ModelVersionReady    EventKind = "MODEL_VERSION_READY"
	ModelAliasSet        EventKind = "MODEL_ALIAS_SET"
	PromptVersionCreated EventKind = "PROMPT_VERSION_CREATED"
	PromptAliasSet       EventKind = "PROMPT_ALIAS_SET"
	GrantsChanged        EventKind = "GRANTS_CHANGED"
	Created              EventKind = "CREATED"
	Updated              EventKind = "UPDATED"
	Deleted              EventKind = "DELETED"
)

// Event is one change. Positions count commits' events from 1 without gaps: an event is visible only when all before it
// are.
type Event struct {
	Position int64 // given by the store
	Kind     EventKind
	Entity   EntityType
	Subject  Ref // the line, for an event about a version
	Version  int64
	Alias    string
	Actor    string
	Time     time.Time
}

// EntityType is what kind of thing an event is about: a securable type, or a version of one.
type EntityType string

// The entity types that are not securables.
const (
	EntityModelVersion  EntityType = "model_version"
	EntityPromptVersion EntityType = "prompt_version"
)
