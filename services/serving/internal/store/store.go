// Package store is the contract of serving's memory: what must be true of every implementation, whatever database is
// below it. The suite in storetest proves it, on SQLite and on PostgreSQL.
//
// # One endpoint, one unit
//
// An endpoint is read and written as a whole: its two living revisions and its instances come with it, and a reader sees
// all of them as one commit left them. Change runs one function on it in one transaction; changes of the same endpoint
// run one after the other, across all processes that share the database. The function may run more than once and must
// have no effect but on the endpoint it is given. Before anything is written the endpoint's own Check must agree.
//
// # Routes
//
// The routing table is kept beside the endpoints and changes in the same transaction: whenever domain.RouteOf of an
// endpoint gives another answer than before, the table's revision grows, and never else. A reader gets the table and its
// revision from one moment. Instances that a change retires are stamped with the table's revision at its commit.
//
// # Who may act
//
// A lease says which replica acts on an endpoint. It ends by itself when it is not renewed. A change made under a lease
// that has passed to another holder is Aborted and changes nothing: a replica that was asleep cannot undo what its
// successor did. Changes that users ask for need no lease.
//
// # Revisions
//
// Configuration and pins of a revision never change once written. Its states and its lineage mark do. Revisions stay
// until their endpoint is removed.
//
// # Time and text
//
// Times are kept in microseconds, finer digits are cut. Text is kept byte for byte. Names compare by their bytes: lists
// are ordered by them and paged by key, so a row inserted or deleted between two pages neither repeats nor hides another.
//
// # Errors
//
// All errors are fault.Error. A row that is not there is NotFound, a name that is taken AlreadyExists, a name whose
// holder is still being deleted FailedPrecondition, a lease that was lost Aborted, a database that does not answer
// Unavailable.
package store

import (
	"context"
	"time"

	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// Store is serving's memory. It is safe for concurrent use.
type Store interface {
	Endpoints
	Routes
	Gateways
	Leases
	Following
	Ping(ctx context.Context) error
	Close() error
}

// Endpoints are the endpoints, their revisions and the templates these have pinned.
type Endpoints interface {
	// Create writes a new endpoint with its first revision.
	Create(ctx context.Context, e *domain.Endpoint, templates ...domain.Template) (*domain.Endpoint, error)
	// ByName is the endpoint of a name; one that is being deleted is NotFound.
	ByName(ctx context.Context, name string) (*domain.Endpoint, error)
	// ByID is the endpoint of an id, whether it is being deleted or not.
	ByID(ctx context.Context, id string) (*domain.Endpoint, error)
	// List is at most limit endpoints with names after a name, by name, without those being deleted.
	List(ctx context.Context, after string, limit int) ([]*domain.Endpoint, error)
	// Change runs f on the endpoint of an id and, when f reports a change, writes what f left, with templates beside it.
	// Under a holder that is not empty it needs that holder's lease. It returns the endpoint as it is now stored.
	Change(ctx context.Context, id, holder string, f func(e *domain.Endpoint) (changed bool, err error), templates ...domain.Template) (*domain.Endpoint, error)
	// Remove forgets an endpoint that is being deleted and has no instance left, with all its revisions. Removing what is
	// gone succeeds; anything else is FailedPrecondition.
	Remove(ctx context.Context, id string) error
	// Revisions are at most limit revisions of an endpoint with numbers before a number (0: from the newest), newest first.
	Revisions(ctx context.Context, id string, before int64, limit int) ([]domain.Revision, error)
	// Template is a template by its digest.
	Template(ctx context.Context, digest string) (domain.Template, error)
	// Unsettled are the ids of the endpoints that are not domain.Settled.
	Unsettled(ctx context.Context) ([]string, error)
	// Instances are all instances of all endpoints, by endpoint id.
	Instances(ctx context.Context) (map[string][]domain.Instance, error)
}

// Routes is the routing table.
type Routes interface {
	Table(ctx context.Context) (domain.RouteTable, error)
	// TableRevision is the revision alone, for those who only want to know whether to read the table.
	TableRevision(ctx context.Context) (int64, error)
}

// Gateway is one gateway's stream of routing tables, at some replica of serving.
type Gateway struct {
	ID      string // the gateway's own name
	Stream  string // one connection of it
	Replica string // where the stream ends
	Applied int64  // the highest table that it says it has applied
	Until   time.Time
}

// Gateways is who is connected and how far they are. A row lives until its stream is left or its time is over, so that a
// gateway whose replica dies still counts for as long as it needs to connect to another.
type Gateways interface {
	// Join records a stream; a gateway's earlier stream is forgotten.
	Join(ctx context.Context, g Gateway) error
	// Acknowledge raises what a stream has applied, and reports false when the stream is not the gateway's current one.
	Acknowledge(ctx context.Context, g Gateway) (bool, error)
	// Leave forgets a stream, unless it was replaced.
	Leave(ctx context.Context, id, stream string) error
	// Keep prolongs all streams of a replica until a time, and forgets those of others whose time was over before now.
	Keep(ctx context.Context, replica string, now, until time.Time) error
	// Applied is the lowest table that any connected gateway has applied, math.MaxInt64 when none is connected, and how
	// many are.
	Applied(ctx context.Context, now time.Time) (lowest int64, connected int, err error)
}

// Leases say which replica acts on an endpoint.
type Leases interface {
	// Claim takes or prolongs the lease until a time, and reports false while another holder has it.
	Claim(ctx context.Context, endpoint, holder string, now, until time.Time) (bool, error)
	// Release ends the lease, if holder has it.
	Release(ctx context.Context, endpoint, holder string) error
}

// Following is the position in the registry's event stream and what events do to endpoints.
type Following interface {
	// Position is the last event that was taken in, 0 when none was.
	Position(ctx context.Context) (int64, error)
	// Moved takes in events up to a position: endpoints whose active or pending revision follows one of the references are
	// to look it up again. It returns their ids. A position that is behind what was taken in leaves it as it is.
	Moved(ctx context.Context, position int64, references []string) ([]string, error)
}
