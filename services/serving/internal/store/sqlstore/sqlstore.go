// Package sqlstore is serving's memory in SQL, one text for SQLite and for PostgreSQL. The contract is in package store.
package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/serving/internal/store"
	"github.com/slipway-ai/slipway/services/serving/internal/store/migrations"
)

// Store is a store.Store over a database.
type Store struct{ db *sqlkit.DB }

var _ store.Store = (*Store)(nil)

// Open opens the database at url and brings its schema up to date.
func Open(ctx context.Context, url string, o sqlkit.Options) (*Store, error) {
	db, err := sqlkit.Open(ctx, url, migrations.FS, o)
	if err != nil {
		return nil, err
	}
	return &Store{db: db}, nil
}

// New is a store over a database that has been opened and migrated; the store closes it.
func New(db *sqlkit.DB) *Store { return &Store{db: db} }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// notFound is the answer for a row that is not there.
func notFound(op string, err error, format string, args ...any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(op, fault.NotFound, format, args...)
	}
	return sqlkit.Fault(op, err)
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("sqlstore: plain data cannot be written as JSON: " + err.Error()) // a mistake of the program
	}
	return string(b)
}

// decode reads what encode wrote. A column that cannot be read was not written by this program.
func decode(op, column, text string, v any) error {
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fault.Wrap(op, fault.DataLoss, err, "the stored %s cannot be read", column)
	}
	return nil
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
