package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
)

// maxList is how many values one `in (…)` holds; both databases allow more placeholders than this takes.
const maxList = 1000

// arguments numbers placeholders while a statement is put together.
type arguments []any

func (a *arguments) add(v any) string {
	*a = append(*a, v)
	return "$" + strconv.Itoa(len(*a))
}

func (a *arguments) list(values []string) string {
	marks := make([]string, len(values))
	for i, v := range values {
		marks[i] = a.add(v)
	}
	return "(" + strings.Join(marks, ", ") + ")"
}

// collect runs a query and makes one T of each row.
func collect[T any](ctx context.Context, q sqlkit.Querier, op, query string, args []any, scan func(scan func(...any) error) (T, error)) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, sqlkit.Fault(op, err)
	}
	defer func() { _ = rows.Close() }()
	var out []T
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, sqlkit.Fault(op, err)
		}
		out = append(out, v)
	}
	return out, sqlkit.Fault(op, rows.Err())
}

// exec runs a statement and returns how many rows it changed.
func exec(ctx context.Context, q sqlkit.Querier, op, query string, args ...any) (int64, error) {
	r, err := q.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, sqlkit.Fault(op, err)
	}
	n, err := r.RowsAffected()
	return n, sqlkit.Fault(op, err)
}

// one is exec for a statement that must change a row.
func one(ctx context.Context, q sqlkit.Querier, op, query string, args ...any) error {
	n, err := exec(ctx, q, op, query, args...)
	if err == nil && n == 0 {
		return fault.New(op, fault.NotFound, "not found")
	}
	return err
}

// missing turns the absence of a row into a text for people.
func missing(op string, err error, format string, args ...any) error {
	if fault.Is(sqlkit.Fault(op, err), fault.NotFound) {
		return fault.New(op, fault.NotFound, format, args...)
	}
	return sqlkit.Fault(op, err)
}

// asJSON is for maps and lists of plain values, which can always be written.
func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("sqlstore: plain values are JSON: " + err.Error())
	}
	return string(b)
}

// fromJSON reads a column that asJSON wrote.
type fromJSON struct{ into any }

// Scan implements sql.Scanner.
func (f fromJSON) Scan(src any) error {
	switch s := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(s), f.into)
	case []byte:
		return json.Unmarshal(s, f.into)
	}
	return fmt.Errorf("sqlstore: a JSON column holds a %T", src)
}

func nullable(s string, isNull bool) sql.NullString { return sql.NullString{String: s, Valid: !isNull} }

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
