package sqlkit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// ExecContext runs a statement on the write side, in a transaction of its own.
func (db *DB) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := outsideTx(ctx); err != nil {
		return nil, err
	}
	ctx, span := db.span(ctx, "sql.exec", query)
	defer span.End()
	r, err := db.write.ExecContext(ctx, query, args...)
	return r, recordError(span, err)
}

// QueryContext runs a statement that returns rows: on the read side when it begins like one that only reads, otherwise
// (`insert … returning`) on the write side. Inside InTx use the Tx: a statement here would not see its changes.
func (db *DB) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx, span := db.span(ctx, "sql.query", query)
	defer span.End()
	pool, err := db.side(ctx, query)
	if err != nil {
		return nil, recordError(span, err)
	}
	rows, err := pool.QueryContext(ctx, query, args...) //nolint:sqlclosecheck // the caller's to close
	return rows, recordError(span, err)
}

// QueryRowContext is QueryContext for at most one row; see sql.DB.QueryRowContext.
func (db *DB) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	ctx, span := db.span(ctx, "sql.query", query)
	defer span.End()
	pool, err := db.side(ctx, query)
	if err != nil {
		// Only database/sql can make a Row that holds an error; a pool that never connects makes it do so.
		pool = sql.OpenDB(refusing{err})
		defer pool.Close()
	}
	return pool.QueryRowContext(ctx, query, args...)
}

// refusing is a connector whose every connection fails with err.
type refusing struct{ err error }

func (r refusing) Connect(context.Context) (driver.Conn, error) { return nil, r.err }
func (r refusing) Driver() driver.Driver                        { return nil }

func (db *DB) side(ctx context.Context, query string) (*sql.DB, error) {
	if readsOnly(query) {
		return db.read, nil
	}
	return db.write, outsideTx(ctx)
}

// readsOnly looks at the first word. `with` may lead an insert, so it is not among them: the write side can read as well.
func readsOnly(query string) bool {
	word, _, _ := strings.Cut(strings.TrimSpace(query), " ")
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "select", "values", "explain":
		return !strings.Contains(strings.ToLower(query), "for update")
	}
	return false
}

type txKey struct{}

// outsideTx refuses a write beside a transaction on the same path: on SQLite it would wait forever for the one write
// connection that the transaction holds, so it is a mistake on both.
func outsideTx(ctx context.Context) error {
	if ctx.Value(txKey{}) != nil {
		return fault.New("sqlkit", fault.Internal, "a statement inside InTx must use its Tx, and InTx must not nest")
	}
	return nil
}

func (db *DB) span(ctx context.Context, name, query string) (context.Context, trace.Span) {
	if !trace.SpanFromContext(ctx).IsRecording() { // a statement of no traced request is not worth a trace of its own
		return ctx, trace.SpanFromContext(context.Background())
	}
	return db.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("db.system.name", string(db.dialect)),
		attribute.String("db.query.text", query), // values are arguments, so the text is the program's own
	))
}

func recordError(span trace.Span, err error) error {
	if err != nil {
		span.SetStatus(codes.Error, string(fault.KindOf(err)))
	}
	return err
}
