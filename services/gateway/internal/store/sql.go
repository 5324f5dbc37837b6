package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io/fs"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
)

// Migrations returns the schema's steps, for whoever opens the database.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic("store: the embedded folder is called migrations: " + err.Error())
	}
	return sub
}

// SQL is the Store on both databases.
type SQL struct{ db *sqlkit.DB }

var _ Store = (*SQL)(nil)

// Open opens and migrates the store at url; see sqlkit.Open.
func Open(ctx context.Context, url string, o sqlkit.Options) (*SQL, error) {
	db, err := sqlkit.Open(ctx, url, Migrations(), o)
	if err != nil {
		return nil, err
	}
	return New(db), nil
}

// New is the store on a migrated database, which it then owns.
func New(db *sqlkit.DB) *SQL { return &SQL{db: db} }

// Ping implements Store.
func (s *SQL) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// Close implements Store.
func (s *SQL) Close() error { return s.db.Close() }

// scanner is a row.
type scanner interface{ Scan(dest ...any) error }

// list collects the rows of a query.
func list[T any](ctx context.Context, q sqlkit.Querier, op string, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, sqlkit.Fault(op, err)
	}
	defer func() { _ = rows.Close() }() // Err has said what there was to say
	var out []T
	for rows.Next() {
		x, err := scan(rows)
		if err != nil {
			return nil, sqlkit.Fault(op, err)
		}
		out = append(out, x)
	}
	return out, sqlkit.Fault(op, rows.Err())
}

// missing gives a row that is not there its name, and every other error its kind.
func missing(op string, err error, what, name string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(op, fault.NotFound, "%s %q does not exist", what, name)
	}
	return sqlkit.Fault(op, err)
}

// touched turns "no row changed" into NotFound.
func touched(op string, r sql.Result, err error, what, name string) error {
	if err != nil {
		return sqlkit.Fault(op, err)
	}
	n, err := r.RowsAffected()
	if err == nil && n == 0 {
		err = sql.ErrNoRows
	}
	return missing(op, err, what, name)
}

// text writes a list as JSON. A list of strings can always be written.
func text(list []string) string {
	b, err := json.Marshal(list)
	if err != nil {
		panic("store: a list of strings is plain data: " + err.Error())
	}
	return string(b)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
