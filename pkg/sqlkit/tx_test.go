package sqlkit_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/pkg/testkit"
)

func balance(t *testing.T, db *sqlkit.DB, id string) int64 {
	t.Helper()
	var b int64
	require.NoError(t, db.QueryRowContext(t.Context(), `select balance from account where id = $1`, id).Scan(&b))
	return b
}

func accounts(t *testing.T, db *sqlkit.DB, ids ...string) {
	t.Helper()
	for _, id := range ids {
		_, err := db.ExecContext(t.Context(), `insert into account (id, balance) values ($1, 0)`, id)
		require.NoError(t, err)
	}
}

func TestATransactionCommitsWhollyOrNotAtAll(t *testing.T) {
	t.Parallel()
	testkit.EachBackend(t, migrations(), func(t *testing.T, db *sqlkit.DB) {
		accounts(t, db, "a")
		add := func(ctx context.Context, tx sqlkit.Tx) error {
			require.Equal(t, db.Dialect(), tx.Dialect())
			_, err := tx.ExecContext(ctx, `update account set balance = balance + 1 where id = 'a'`)
			return err
		}
		require.NoError(t, db.InTx(t.Context(), add))
		boom := errors.New("no")
		require.Same(t, boom, db.InTx(t.Context(), func(ctx context.Context, tx sqlkit.Tx) error {
			require.NoError(t, add(ctx, tx))
			return boom
		}), "an error of the function is returned as it is")
		require.Panics(t, func() {
			_ = db.InTx(t.Context(), func(ctx context.Context, tx sqlkit.Tx) error {
				require.NoError(t, add(ctx, tx))
				panic("oh")
			})
		})
		require.EqualValues(t, 1, balance(t, db, "a"))
		require.NoError(t, db.InTx(t.Context(), add), "the panic gave its connection back")
	})
}

func TestConcurrentReadModifyWritesLoseNothing(t *testing.T) {
	t.Parallel()
	testkit.EachBackend(t, migrations(), func(t *testing.T, db *sqlkit.DB) {
		const writers, each = 8, 10
		accounts(t, db, "a")
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				for range each {
					err := db.InTx(t.Context(), func(ctx context.Context, tx sqlkit.Tx) error {
						var b int64
						if err := tx.QueryRowContext(ctx, `select balance from account where id = 'a'`+sqlkit.ForUpdate(tx.Dialect())).Scan(&b); err != nil {
							return err
						}
						_, err := tx.ExecContext(ctx, `update account set balance = $1 where id = 'a'`, b+1)
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, writers*each, balance(t, db, "a"))
	})
}

// meet lets n parties wait for each other, each time they call.
func meet(n int) func() {
	var mu sync.Mutex
	here, gate := 0, make(chan struct{})
	return func() {
		mu.Lock()
		here++
		if here%n == 0 {
			close(gate)
			gate = make(chan struct{})
			mu.Unlock()
			return
		}
		wait := gate
		mu.Unlock()
		<-wait
	}
}

func pgCode(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestADeadlockIsTriedAgain(t *testing.T) {
	t.Parallel()
	db := openPostgres(t, sqlkit.Options{Isolation: sql.LevelReadCommitted})
	accounts(t, db, "a", "b")
	var (
		wg        sync.WaitGroup
		deadlocks atomic.Int32
		attempts  atomic.Int32
		together  = meet(2)
	)
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		wg.Go(func() {
			first := true
			err := db.InTx(t.Context(), func(ctx context.Context, tx sqlkit.Tx) error {
				attempts.Add(1)
				for i, id := range order {
					if i == 1 && first { // both hold one row and want the other's
						first = false
						together()
					}
					if _, err := tx.ExecContext(ctx, `update account set balance = balance + 1 where id = $1`, id); err != nil {
						if pgCode(err) == "40P01" {
							deadlocks.Add(1)
						}
						return fmt.Errorf("wrapped by the store: %w", err)
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Positive(t, deadlocks.Load(), "PostgreSQL chose a victim")
	require.Equal(t, 2+deadlocks.Load(), attempts.Load(), "each victim was tried once more")
	require.EqualValues(t, 2, balance(t, db, "a"))
	require.EqualValues(t, 2, balance(t, db, "b"))
}

func TestASerializationFailureIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, hide := range map[string]func(error) error{
		"as it is":                      func(err error) error { return err },
		"replaced by the store":         func(error) error { return fault.New("store", fault.Internal, "oops") },
		"overlooked by the store":       func(error) error { return nil },
		"wrapped as a fault in a store": func(err error) error { return sqlkit.Fault("store", err) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := openPostgres(t, sqlkit.Options{})
			accounts(t, db, "a", "b")
			var (
				wg       sync.WaitGroup
				together = meet(2)
			)
			// Write skew: each reads the sum and writes one of two rows. Only one order of the two is serial.
			for _, id := range []string{"a", "b"} {
				wg.Go(func() {
					first := true
					err := db.InTx(t.Context(), func(ctx context.Context, tx sqlkit.Tx) error {
						var sum int64
						if err := tx.QueryRowContext(ctx, `select sum(balance) from account`).Scan(&sum); err != nil {
							return err
						}
						if first {
							first = false
							together()
						}
						_, err := tx.ExecContext(ctx, `update account set balance = $1 where id = $2`, sum+1, id)
						if pgCode(err) == "40001" {
							return hide(err)
						}
						return err
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.EqualValues(t, 3, balance(t, db, "a")+balance(t, db, "b"), "1 for the first, 1+1 for the second")
		})
	}
}

func TestAConflictWithoutEndIsAborted(t *testing.T) {
	t.Parallel()
	db := openPostgres(t, sqlkit.Options{})
	accounts(t, db, "a")
	attempts := 0
	err := db.InTx(t.Context(), func(ctx context.Context, tx sqlkit.Tx) error {
		attempts++
		var b int64
		if err := tx.QueryRowContext(ctx, `select balance from account where id = 'a'`).Scan(&b); err != nil {
			return err
		}
		// Somebody else is always faster.
		_, err := db.Read().ExecContext(context.WithoutCancel(t.Context()), `update account set balance = balance + 1 where id = 'a'`)
		require.NoError(t, err)
		_, err = tx.ExecContext(ctx, `update account set balance = $1 where id = 'a'`, b+1000)
		return err
	})
	require.True(t, fault.Is(err, fault.Aborted), "%v", err)
	require.Equal(t, "TRANSACTION_CONFLICT", fault.Reason(err))
	require.Positive(t, fault.RetryAfter(err))
	require.Equal(t, "40001", pgCode(err), "the cause is kept for the log")
	require.EqualValues(t, attempts, balance(t, db, "a"), "no attempt left a trace")
	require.Greater(t, attempts, 5)
}

func TestALockedFileIsUnavailable(t *testing.T) {
	t.Parallel()
	url := testkit.SQLite(t)
	holder := testkit.OpenStore(t, url, migrations())
	hasty, err := sqlkit.Open(t.Context(), url, migrations(), sqlkit.Options{BusyWait: 10 * time.Millisecond})
	require.NoError(t, err)
	defer func() { require.NoError(t, hasty.Close()) }()
	touch := func(ctx context.Context, tx sqlkit.Tx) error {
		_, err := tx.ExecContext(ctx, `insert into account (id, balance) values ('a', 1)`)
		return err
	}
	require.NoError(t, holder.InTx(t.Context(), func(context.Context, sqlkit.Tx) error { // holds the lock from its begin
		err := hasty.InTx(t.Context(), touch)
		require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
		require.Equal(t, "TRANSACTION_CONFLICT", fault.Reason(err))
		return nil
	}))
	require.NoError(t, hasty.InTx(t.Context(), touch))
}

func TestALockedFileIsWaitedForNoLongerThanTheCallerWaits(t *testing.T) {
	t.Parallel()
	url := testkit.SQLite(t)
	holder, patient := testkit.OpenStore(t, url, migrations()), testkit.OpenStore(t, url, migrations())
	require.NoError(t, holder.InTx(t.Context(), func(context.Context, sqlkit.Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		started := time.Now()
		require.Error(t, patient.InTx(ctx, func(context.Context, sqlkit.Tx) error { t.Error("must not run"); return nil }))
		require.Less(t, time.Since(started), 9*time.Second, "SQLite alone would wait ten")
		return nil
	}))
}

func TestNothingIsTriedAgainOnceTheCallerIsGone(t *testing.T) {
	t.Parallel()
	db := openPostgres(t, sqlkit.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	attempts := 0
	err := db.InTx(ctx, func(context.Context, sqlkit.Tx) error {
		attempts++
		cancel()
		return &pgconn.PgError{Code: "40001"}
	})
	require.True(t, fault.Is(err, fault.Canceled), "%v", err)
	require.Equal(t, 1, attempts)

	timed, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	err = db.InTx(timed, func(context.Context, sqlkit.Tx) error { return &pgconn.PgError{Code: "40001"} })
	require.True(t, fault.Is(err, fault.DeadlineExceeded), "%v", err)
}

func TestATransactionDoesNotNestAndDoesNotWriteBesideItself(t *testing.T) {
	t.Parallel()
	testkit.EachBackend(t, migrations(), func(t *testing.T, db *sqlkit.DB) {
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, _ sqlkit.Tx) error {
			_, exec := db.ExecContext(ctx, `delete from account`)
			_, query := db.QueryContext(ctx, `delete from account returning id`) //nolint:sqlclosecheck,rowserrcheck // it must fail
			row := db.QueryRowContext(ctx, `delete from account returning id`).Scan(new(string))
			nested := db.InTx(ctx, func(context.Context, sqlkit.Tx) error { return nil })
			for _, err := range []error{exec, query, row, nested} {
				require.ErrorContains(t, err, "must use its Tx")
			}
			return nil
		}))
	})
}

func TestStatementsOfATracedRequestAreSpans(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		traces := testkit.NewTraces(t)
		tel := testkit.Telemetry(t, traces, "registry")
		db, err := sqlkit.Open(t.Context(), url, migrations(), sqlkit.Options{Tracers: tel.Tracers})
		require.NoError(t, err)
		defer func() { require.NoError(t, db.Close()) }()
		ctx, span := tel.Tracer("test").Start(t.Context(), "request")
		require.NoError(t, db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) error {
			_, err := tx.ExecContext(ctx, `insert into account (id, balance) values ('a', 1)`)
			return err
		}))
		require.EqualValues(t, 1, func() (b int64) {
			require.NoError(t, db.QueryRowContext(ctx, `select balance from account`).Scan(&b))
			return b
		}())
		_, err = db.ExecContext(ctx, `insert into account (id, balance) values ('a', 1)`)
		require.Error(t, err)
		span.End()
		require.NoError(t, tel.Flush(t.Context()))
		traces.RequireTree(t, span.SpanContext().TraceID().String(), `
			registry: request
				registry: sql.exec
				registry: sql.query
				registry: sql.tx
		`)
		failed := traces.Find(t, "the failed insert", func(s testkit.Span) bool { return s.Name == "sql.exec" })
		require.True(t, failed.Error)
		require.Contains(t, failed.Attributes["db.query.text"], "insert into account")
		require.Len(t, traces.TraceIDs(), 1, "statements of no request make no traces")
	})
}

func openPostgres(t *testing.T, o sqlkit.Options) *sqlkit.DB {
	t.Helper()
	db, err := sqlkit.Open(t.Context(), testkit.Postgres(t), migrations(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}
