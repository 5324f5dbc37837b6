package sqlkit

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// The conflicts that make a transaction worth another try.
const (
	conflictSerialization = "serialization_failure"
	conflictDeadlock      = "deadlock_detected"
	conflictBusy          = "database_locked"
)

// PostgreSQL's codes, from the appendix of its manual.
const (
	pgSerializationFailure = "40001"
	pgDeadlock             = "40P01"
	pgUniqueViolation      = "23505"
	pgForeignKeyViolation  = "23503"
	pgRestrictViolation    = "23001"
)

// pgUnavailable are the classes of "not now": connection lost, out of connections or disk, shutting down.
var pgUnavailable = []string{"08", "53", "57"}

func pgCode(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// conflictOf names the conflict that err reports, "" when it reports none.
func conflictOf(err error) string {
	switch pgCode(err) {
	case pgSerializationFailure:
		return conflictSerialization
	case pgDeadlock:
		return conflictDeadlock
	}
	switch sqliteCode(err) & 0xff { // the low byte is the primary code
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return conflictBusy
	}
	return ""
}

// IsUnique reports whether err says that a key is taken.
func IsUnique(err error) bool {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return true
	}
	return pgCode(err) == pgUniqueViolation
}

// IsForeignKey reports whether err says that a row points at one that is not there, or is still pointed at.
func IsForeignKey(err error) bool {
	switch pgCode(err) {
	case pgForeignKeyViolation, pgRestrictViolation:
		return true
	}
	return sqliteCode(err) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY || sqliteCode(err) == sqlite3.SQLITE_CONSTRAINT_TRIGGER
}

// Fault gives a database's error its kind, with a text that says no more than the kind; a fault stays as it is. Stores
// use it for what they have no better word for.
func Fault(op string, err error) error {
	var already *fault.Error
	if err == nil || errors.As(err, &already) {
		return err
	}
	kind := kindOf(err)
	return fault.Wrap(op, kind, err, "%s", kind.Generic())
}

func kindOf(err error) fault.Kind {
	var (
		connect *pgconn.ConnectError
		pg      *pgconn.PgError
	)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.KindOf(err)
	case errors.Is(err, sql.ErrNoRows):
		return fault.NotFound
	case IsUnique(err):
		return fault.AlreadyExists
	case IsForeignKey(err):
		return fault.FailedPrecondition
	case conflictOf(err) == conflictBusy:
		return fault.Unavailable
	case conflictOf(err) != "":
		return fault.Aborted
	case errors.As(err, &connect), errors.Is(err, sql.ErrConnDone), pgconn.SafeToRetry(err):
		return fault.Unavailable
	case errors.As(err, &pg) && slices.ContainsFunc(pgUnavailable, func(class string) bool { return strings.HasPrefix(pg.Code, class) }):
		return fault.Unavailable
	}
	switch sqliteCode(err) & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fault.DataLoss
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR:
		return fault.Unavailable
	case sqlite3.SQLITE_INTERRUPT:
		return fault.Canceled
	}
	return fault.Internal
}
