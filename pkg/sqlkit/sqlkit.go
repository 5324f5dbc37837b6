// Package sqlkit is how a service keeps rows: SQLite in a file of its own, or PostgreSQL in a schema of its own, with one
// SQL text for both. Statements use $1 placeholders, `on conflict … returning`, row-value comparisons and bigint
// microseconds, which both dialects read alike; what they do not share is here, so that a store is written once. Reads
// go to a pool; writes go through InTx, which tries again when the database says that two transactions stood in each
// other's way.
//
// In PostgreSQL a column that is ordered or paged by needs `collate "C"`: the database's own collation is its operator's
// choice, while SQLite always compares bytes.
package sqlkit

import (
	"context"
	"database/sql"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Dialect is the kind of database.
type Dialect string

// The dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// ForUpdate is the suffix of a select whose rows are about to be changed: PostgreSQL locks them, SQLite has already
// locked the database when a transaction begins.
func ForUpdate(d Dialect) string {
	if d == Postgres {
		return " for update"
	}
	return ""
}

// Options of a database. The zero value is right for a service.
type Options struct {
	Log     *slog.Logger
	Tracers trace.TracerProvider // nil makes no spans
	// MaxConns bounds the pool: PostgreSQL's, or SQLite's readers. 0 is 16, or 4.
	MaxConns int
	// BusyWait is how long a statement waits for another process that holds a SQLite file. 0 is 10 seconds.
	BusyWait time.Duration
	// Isolation of InTx on PostgreSQL. 0 is serializable: what a transaction read is still true when it commits, which is
	// what SQLite's single writer gives, so that a store proved on one is right on the other. A store whose contract
	// allows less says so here.
	Isolation sql.IsolationLevel
}

// Querier runs statements: a DB, the Tx of an InTx, a *sql.DB or a *sql.Tx.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Tx is a transaction that InTx began and will end.
type Tx interface {
	Querier
	Dialect() Dialect
}

// DB is an open, migrated database. It is safe for concurrent use.
type DB struct {
	dialect   Dialect
	read      *sql.DB
	write     *sql.DB // the same pool on PostgreSQL
	isolation sql.IsolationLevel
	log       *slog.Logger
	tracer    trace.Tracer
}

// Open opens the database at url and brings its schema up to date: "sqlite:///path/x.db" (relative: "sqlite:x.db"),
// created for its owner alone if it is not there, or "postgres://…", whose search_path, if it has one, names a schema
// that is created if it is not there. migrations holds the folders sqlite/ and postgres/ of goose SQL files; several
// processes may open the same database at once. Nil migrates nothing. A database that a newer program has migrated is
// FailedPrecondition.
func Open(ctx context.Context, url string, migrations fs.FS, o Options) (*DB, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Tracers == nil {
		o.Tracers = tracenoop.NewTracerProvider()
	}
	if o.Isolation == sql.LevelDefault {
		o.Isolation = sql.LevelSerializable
	}
	db := &DB{isolation: o.Isolation, log: o.Log, tracer: o.Tracers.Tracer("github.com/slipway-ai/slipway/pkg/sqlkit")}
	var err error
	var unlock func()
	switch scheme, _, _ := strings.Cut(url, ":"); scheme {
	case "sqlite":
		unlock, err = db.openSQLite(ctx, url, o)
	case "postgres", "postgresql":
		unlock, err = db.openPostgres(ctx, url, o)
	default:
		return nil, fault.New("sqlkit.Open", fault.Invalid, "a store url begins with sqlite: or postgres:")
	}
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := db.migrate(ctx, migrations); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

// Dialect is the kind of database.
func (db *DB) Dialect() Dialect { return db.dialect }

// Read is the pool for reading. On SQLite it cannot write.
func (db *DB) Read() Querier { return db.read }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.read.PingContext(ctx); err != nil {
		return fault.Wrap("sqlkit.Ping", fault.Unavailable, err, "the store does not answer")
	}
	return nil
}

// Close waits for running statements and closes the database.
func (db *DB) Close() error {
	err := db.write.Close()
	if db.read != db.write {
		if rerr := db.read.Close(); err == nil {
			err = rerr
		}
	}
	return err
}

// Micros is how a time is stored: microseconds since 1970 UTC, finer digits cut. The zero time is 0, and 1970 itself
// therefore has no place in a store.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the time that Micros stored, in UTC.
func Time(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
