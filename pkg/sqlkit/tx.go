package sqlkit

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// A transaction that lost is tried again this often, after a random part of a pause that doubles from first to longest.
// Of transactions that stand in each other's way at least one commits, so the bound is reached only when more of them
// than this fight for the same rows without end. A locked file has already been waited for, as long as BusyWait says,
// so that it is asked for only a few times.
const (
	maxAttempts  = 20
	busyAttempts = 3
	firstPause   = 2 * time.Millisecond
	longestPause = 250 * time.Millisecond
)

// InTx runs fn in one transaction and commits it when fn returns nil. When the database aborts the transaction because
// of another one (serialization failure, deadlock, a locked file), everything is rolled back and fn runs again: fn must
// therefore have no effect but its statements, and must return the errors of those. It is not run again once ctx is
// done. When trying again did not help the error is Aborted, or Unavailable for a locked file. An error of fn itself is
// returned as it is. A panic rolls back.
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	if err := outsideTx(ctx); err != nil {
		return err
	}
	ctx, span := db.span(ctx, "sql.tx", "")
	defer span.End()
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := db.once(ctx, fn)
		conflict := conflictOf(err)
		switch {
		case conflict == "":
			span.SetAttributes(attribute.Int("sql.attempts", attempt))
			return recordError(span, err)
		case attempt == maxAttempts || conflict == conflictBusy && attempt >= busyAttempts:
			db.log.LogAttrs(ctx, slog.LevelWarn, "transaction gave up", slog.String("conflict", conflict), slog.Int("attempts", attempt))
			return recordError(span, gaveUp(conflict, err))
		}
		if wait(ctx, rand.N(pause)) != nil {
			return recordError(span, fault.Wrap("sqlkit.InTx", fault.KindOf(ctx.Err()), errors.Join(ctx.Err(), err), "the caller left while the transaction was tried again"))
		}
		pause = min(2*pause, longestPause)
	}
}

// wait is nil after d, or the error of ctx when that ends first or has ended before.
func wait(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func gaveUp(conflict string, err error) error {
	kind := fault.Aborted
	if conflict == conflictBusy {
		kind = fault.Unavailable
	}
	return fault.Wrap("sqlkit.InTx", kind, err, "%s", kind.Generic()).WithReason("TRANSACTION_CONFLICT").WithRetryAfter(longestPause)
}

func (db *DB) once(ctx context.Context, fn func(context.Context, Tx) error) (err error) {
	var o *sql.TxOptions
	if db.dialect == Postgres {
		o = &sql.TxOptions{Isolation: db.isolation}
	}
	stx, err := db.write.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = stx.Rollback() }() // after a commit it does nothing; after an error or a panic it does its work
	tx := &transaction{tx: stx, dialect: db.dialect}
	err = fn(context.WithValue(ctx, txKey{}, tx), tx)
	switch {
	case tx.conflict != nil && conflictOf(err) == "":
		return errors.Join(tx.conflict, err) // fn replaced it, or overlooked it: then a commit would quietly be a rollback
	case err != nil:
		return err
	}
	return stx.Commit()
}

// transaction remembers a conflict that one of its statements met. fn may have wrapped or replaced that error on its way
// out, but the database has aborted the transaction all the same.
type transaction struct {
	tx       *sql.Tx
	dialect  Dialect
	conflict error
}

func (t *transaction) Dialect() Dialect { return t.dialect }

func (t *transaction) note(err error) error {
	if t.conflict == nil && conflictOf(err) != "" {
		t.conflict = err
	}
	return err
}

func (t *transaction) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	r, err := t.tx.ExecContext(ctx, query, args...)
	return r, t.note(err)
}

func (t *transaction) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := t.tx.QueryContext(ctx, query, args...)
	return rows, t.note(err)
}

func (t *transaction) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	row := t.tx.QueryRowContext(ctx, query, args...)
	_ = t.note(row.Err())
	return row
}
