// Package sqlstore keeps the registry in SQLite or PostgreSQL, with one SQL text for both. The contract, and the reasons
// for it, are in package store; here is how it is kept.
//
// Every transaction that writes begins by locking the one row of table head. On PostgreSQL that puts all writers of all
// processes in a line; SQLite has one writer anyway. Read committed is then as good as serializable, since nobody else
// changes what a transaction has read, and it never has to be tried again for a stale snapshot, as a serializable
// transaction that waited for the lock would. Within a process writers wait for their turn in memory, so that a queue of
// them does not hold all connections and make readers wait.
package sqlstore

import (
	"context"
	"database/sql"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
	"github.com/slipway-ai/slipway/services/registry/internal/store/migrations"
)

var _ store.Store = (*Store)(nil)

// Store is a store.Store in a database.
type Store struct {
	reader
	db        *sqlkit.DB
	turn      chan struct{} // holds one token while a writer of this process is at work
	committed func(position int64)
}

// Options of a store. The zero value is fine.
type Options struct {
	Log     *slog.Logger
	Tracers trace.TracerProvider
	// Committed is told the position of the newest event after a commit that added events.
	Committed func(position int64)
}

// Open opens and migrates the database at url: see sqlkit.Open.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	db, err := sqlkit.Open(ctx, url, migrations.FS, sqlkit.Options{Log: o.Log, Tracers: o.Tracers, Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, err
	}
	if o.Committed == nil {
		o.Committed = func(int64) {}
	}
	return &Store{reader: reader{db}, db: db, turn: make(chan struct{}, 1), committed: o.Committed}, nil
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// Update runs fn in a transaction: see store.Store.
func (s *Store) Update(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	const op = "registry.store.Update"
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return fault.Wrap(op, fault.KindOf(ctx.Err()), ctx.Err(), "the change waited too long for its turn")
	}
	var t *transaction
	err := s.db.InTx(ctx, func(ctx context.Context, sx sqlkit.Tx) error {
		t = &transaction{reader: reader{sx}}
		if err := sx.QueryRowContext(ctx, `select position from head where id = 1`+sqlkit.ForUpdate(sx.Dialect())).Scan(&t.position); err != nil {
			return err
		}
		if err := fn(ctx, t); err != nil {
			return err
		}
		return t.flush(ctx)
	})
	if err != nil {
		return sqlkit.Fault(op, err)
	}
	if len(t.events) > 0 {
		s.committed(t.position)
	}
	return nil
}

// reader reads, in a transaction or outside.
type reader struct{ q sqlkit.Querier }

// transaction writes. It collects events, which get their positions when all else has been done.
type transaction struct {
	reader
	position int64
	events   []domain.Event
}

var _ store.Tx = (*transaction)(nil)
