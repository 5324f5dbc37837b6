// Package store is the contract of the registry's memory: what must be true of every implementation, whatever database is
// below it. The suite in storetest proves it, on SQLite and on PostgreSQL.
//
// # Order
//
// Names compare by their bytes in UTF-8: 'B' comes before 'a', 'a' before 'ä', on every backend and whatever collation
// its operator chose. Lists are ordered by such a key and paged by it, so a row that is inserted or deleted between two
// pages neither repeats nor hides another.
//
// # Writing
//
// Update runs one function in one transaction. Transactions that write run one after the other, across all processes
// that share the database: what an Update has read is still true when it commits. That is a choice for certainty over
// throughput (hundreds to thousands of changes a second are plenty for a catalog), and it gives three promises at once:
// a decision about access and the change it allows cannot be separated, version numbers have no gaps and no doubles, and
// the order of events is the order of commits.
//
// The function may run more than once, when the database asks for it. It must have no effect but through its Tx.
//
// # Reading
//
// Reads outside an Update see what is committed, each call for itself. An implementation may not let a reader wait for a
// writer.
//
// # Events
//
// Emit adds an event to the transaction. Positions count from 1, without gaps; whoever has seen position n will never
// find a new event at or before n. Events are kept forever: they are small, and the registry changes seldom.
//
// # Immutability
//
// The files and facts of a model version that has left PENDING_UPLOAD, and every prompt version, cannot be changed through
// this contract, and the schema refuses it to everyone else: triggers guard the tables.
//
// # Time and text
//
// Times are kept in microseconds, finer digits are cut. Text is kept byte for byte; the empty text is a value and comes
// back as the empty text, as an empty map comes back empty and not nil.
//
// # Errors
//
// All errors are fault.Error. A row that is not there is NotFound, one that is there already AlreadyExists, one that
// others still need FailedPrecondition, a race that was lost too often Aborted, a database that does not answer
// Unavailable.
package store

import (
	"context"
	"time"

	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// Store is the registry's memory. It is safe for concurrent use.
type Store interface {
	Reader
	Update(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	Ping(ctx context.Context) error
	Close() error
}

// Reader is everything that can be read, outside an Update or inside one, where it sees the transaction's own changes.
type Reader interface {
	Securables
	Versions
	Access
	Lineage
	Events
	Blobs
}

// Tx is a transaction: everything that can be read and changed.
type Tx interface {
	Reader
	SecurableChanges
	VersionChanges
	AccessChanges
	LineageChanges
	BlobChanges
	Emit(e domain.Event) // written when the function has returned nil
}

// Securables reads the tree.
type Securables interface {
	// Find returns those of the named securables that exist.
	Find(ctx context.Context, refs []domain.Ref) (map[domain.Ref]domain.Securable, error)
	// List returns at most limit securables of a type with full names above after, ascending; of one parent, or of all
	// when parentID is empty.
	List(ctx context.Context, t domain.SecurableType, parentID, after string, limit int) ([]domain.Securable, error)
	// Lines adds aliases and tags to securables that are models or prompts, in the same order.
	Lines(ctx context.Context, of []domain.Securable) ([]domain.Line, error)
}

// SecurableChanges changes the tree.
type SecurableChanges interface {
	// Create adds a securable. AlreadyExists when its name is taken.
	Create(ctx context.Context, s domain.Securable) error
	// Save writes comment, owner and update time of a securable.
	Save(ctx context.Context, s domain.Securable) error
	// Delete removes a securable with everything that belongs to it alone: versions, aliases, tags, grants.
	// FailedPrecondition when it still has children.
	Delete(ctx context.Context, id string) error
	// SetTags sets and removes tags of a securable (version 0) or of one of its versions.
	SetTags(ctx context.Context, id string, version int64, set map[string]string, remove []string) error
}

// Versions reads what lines hold. Versions are complete: with files, tags and the aliases that point at them.
type Versions interface {
	ModelVersion(ctx context.Context, model domain.Securable, version int64) (domain.ModelVersion, error)
	// ModelVersions returns at most limit versions below before, newest first; before 0 means from the newest.
	ModelVersions(ctx context.Context, model domain.Securable, before int64, limit int) ([]domain.ModelVersion, error)
	PromptVersion(ctx context.Context, prompt domain.Securable, version int64) (domain.PromptVersion, error)
	PromptVersions(ctx context.Context, prompt domain.Securable, before int64, limit int) ([]domain.PromptVersion, error)
	// Alias returns the version that an alias points at.
	Alias(ctx context.Context, line domain.Securable, alias string) (int64, error)
}

// VersionChanges changes lines.
type VersionChanges interface {
	// NextVersion gives out the next number of a line: 1, 2, 3 …
	NextVersion(ctx context.Context, lineID string, now time.Time) (int64, error)
	CreateModelVersion(ctx context.Context, v domain.ModelVersion) error
	// PutFile adds a file to a PENDING_UPLOAD version, or replaces the one at its path. FailedPrecondition when the version
	// has left that state, or when the file's content is not pinned.
	PutFile(ctx context.Context, modelID string, version int64, f domain.ArtifactFile) error
	// Finish moves a version to its next state, with its status message and properties. FailedPrecondition when its
	// present state does not allow that.
	Finish(ctx context.Context, v domain.ModelVersion) error
	// TouchModelVersion writes the update time of a version.
	TouchModelVersion(ctx context.Context, modelID string, version int64, now time.Time) error
	CreatePromptVersion(ctx context.Context, v domain.PromptVersion) error
	// SetAlias points an alias at a version and returns the version that it pointed at before, 0 when it is new.
	SetAlias(ctx context.Context, lineID, alias string, version int64, now time.Time) (previous int64, err error)
	DeleteAlias(ctx context.Context, lineID, alias string, now time.Time) (previous int64, err error)
}

// Access reads grants.
type Access interface {
	// Held returns the grants that any of the principals holds on any of the securables.
	Held(ctx context.Context, principals, securableIDs []string) ([]domain.Grant, error)
	// Grants returns all grants on the securables, ordered by principal, then privilege, then securable.
	Grants(ctx context.Context, securableIDs []string) ([]domain.Grant, error)
}

// AccessChanges changes grants.
type AccessChanges interface {
	// AddGrant adds a grant; false when it was there already, which leaves it as it was.
	AddGrant(ctx context.Context, g domain.Grant) (added bool, err error)
	// RemoveGrant removes a grant; false when there was none.
	RemoveGrant(ctx context.Context, securableID, principal string, p domain.Privilege) (removed bool, err error)
}

// Lineage reads edges.
type Lineage interface {
	// Edges returns at most limit edges that touch any of the entities, oldest first.
	Edges(ctx context.Context, entities []string, limit int) ([]domain.Edge, error)
	// EdgesFrom returns at most limit edges of a relation whose upstream is a version of a line, oldest first.
	EdgesFrom(ctx context.Context, line domain.Ref, r domain.Relation, limit int) ([]domain.Edge, error)
}

// LineageChanges changes edges.
type LineageChanges interface {
	// AddEdge adds an edge; one that is there already stays as it is.
	AddEdge(ctx context.Context, e domain.Edge) error
	// DeleteEdges removes the edges that touch an endpoint, or any version of a line.
	DeleteEdges(ctx context.Context, r domain.Ref) error
}

// Events reads the stream.
type Events interface {
	// Events returns at most limit events after a position, in order.
	Events(ctx context.Context, after int64, limit int) ([]domain.Event, error)
	// Position is the position of the newest event, 0 when there is none.
	Position(ctx context.Context) (int64, error)
}

// Blobs reads the list of contents, which files refer to by digest.
type Blobs interface {
	// Known returns those of the contents that are on the list.
	Known(ctx context.Context, sha256s []string) (map[string]bool, error)
	// Unused returns at most limit contents that no file refers to and that were last pinned before a time, and those that
	// were condemned before it and not forgotten: whoever condemned them did not come back.
	Unused(ctx context.Context, before time.Time, limit int) ([]string, error)
}

// BlobChanges changes the list of contents. A content is pinned before a file refers to it; one that nobody has referred
// to for a while is condemned, deleted from the bucket, and then forgotten. Condemned and pinned exclude each other, so a
// content cannot be deleted from under a file.
type BlobChanges interface {
	// Pin says that a content is in use now. Aborted while it is condemned: the upload must be done again.
	Pin(ctx context.Context, sha256 string, size int64, now time.Time) error
	// Condemn marks a content for deletion; a content that nobody has recorded is recorded as condemned. False when a file
	// refers to it or when it was pinned, or condemned by another, at or after before.
	Condemn(ctx context.Context, sha256 string, before, now time.Time) (bool, error)
	// Forget removes a condemned content from the list.
	Forget(ctx context.Context, sha256 string) error
}
