package testkit_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/pkg/testkit"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	return c
}

func TestEachTestHasASchemaOfItsOwnThatEndsWithIt(t *testing.T) {
	t.Parallel()
	var urls [2]string
	t.Run("group", func(t *testing.T) {
		for i := range urls {
			urls[i] = testkit.Postgres(t)
			c := connect(t, urls[i])
			_, err := c.Exec(t.Context(), `create table same_name (x int)`)
			require.NoError(t, err)
		}
	})
	require.NotEqual(t, urls[0], urls[1])
	for _, url := range urls {
		c := connect(t, url)
		var schema *string
		require.NoError(t, c.QueryRow(t.Context(), `select current_schema()`).Scan(&schema))
		require.Nil(t, schema, "the schema of the url is gone")
	}
}

func TestADatabaseOfItsOwnEndsWithItsTest(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("group", func(t *testing.T) {
		url = testkit.PostgresDatabase(t)
		var name string
		require.NoError(t, connect(t, url).QueryRow(t.Context(), `select current_database()`).Scan(&name))
		require.Contains(t, name, "test_")
	})
	_, err := pgx.Connect(t.Context(), url)
	require.ErrorContains(t, err, "does not exist")
}

func TestThePrivateClusterOrdersLikeALanguage(t *testing.T) {
	t.Parallel()
	// Production databases do: a store that forgets `collate "C"` must fail in its own tests.
	var less bool
	require.NoError(t, connect(t, testkit.Postgres(t)).QueryRow(t.Context(), `select 'a' < 'B'`).Scan(&less))
	require.True(t, less)
}

func TestEachBackendRunsBothOnAMigratedStore(t *testing.T) {
	t.Parallel()
	file := &fstest.MapFile{Data: []byte("-- +goose Up\ncreate table thing (name text not null);\n")}
	migrations := fstest.MapFS{"sqlite/00001_thing.sql": file, "postgres/00001_thing.sql": file}
	var ran atomic.Int32
	t.Run("group", func(t *testing.T) {
		testkit.EachBackend(t, migrations, func(t *testing.T, db *sqlkit.DB) {
			ran.Add(map[sqlkit.Dialect]int32{sqlkit.SQLite: 1, sqlkit.Postgres: 10}[db.Dialect()])
			_, err := db.ExecContext(t.Context(), `insert into thing (name) values ($1)`, "x")
			require.NoError(t, err)
		})
	})
	require.EqualValues(t, 11, ran.Load())
}

// recorder is a testing.TB that survives its failure.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Helper() {}
func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	panic(r)
}

// failureOf runs a check that should fail, and returns what it said.
func failureOf(t *testing.T, check func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	func() {
		defer func() { _ = recover() }()
		check(r)
	}()
	return r.failure
}

func TestEventuallyWaitsAndThenFails(t *testing.T) {
	t.Parallel()
	var looked atomic.Int32
	testkit.Eventually(t, testkit.Patience, func() bool { return looked.Add(1) == 3 }, "the third look")
	require.EqualValues(t, 3, looked.Load())
	failure := failureOf(t, func(tb testing.TB) {
		testkit.Eventually(tb, 10*time.Millisecond, func() bool { return false }, "pigs %s", "fly")
	})
	require.Equal(t, "not within 10ms: pigs fly", failure)
}

func TestASignalIsHeardInOrderAndMissedByNobody(t *testing.T) {
	t.Parallel()
	s := testkit.NewSignal[int]()
	s.None(t)
	s.Fire(1)
	go s.Fire(2)
	require.Equal(t, 1, s.Wait(t))
	require.Equal(t, 2, <-s.C())
	s.Fire(3)
	require.Equal(t, "unexpected signal: 3", failureOf(t, func(tb testing.TB) { s.None(tb) }))
	for i := range 5000 {
		s.Fire(i) // never blocks
	}
	var nobody *testkit.Signal[int]
	nobody.Fire(1)
}

func TestATreeShowsServicesNamesAndNesting(t *testing.T) {
	t.Parallel()
	traces := testkit.NewTraces(t)
	gateway, registry := testkit.Telemetry(t, traces, "gateway"), testkit.Telemetry(t, traces, "registry")
	ctx, rootSpan := gateway.Tracer("x").Start(context.Background(), "POST")
	id := rootSpan.SpanContext().TraceID().String()
	for _, name := range []string{"b", "a"} {
		child, span := registry.Tracer("x").Start(ctx, name)
		_, sql := registry.Tracer("x").Start(child, "sql.tx")
		_, leaf := registry.Tracer("x").Start(trace.ContextWithSpan(child, sql), "leaf of "+name)
		leaf.SetAttributes(attribute.Int("rows", 3), attribute.String("table", "t"))
		leaf.SetStatus(codes.Error, "no")
		leaf.End()
		sql.End()
		span.End()
	}
	require.NoError(t, registry.Flush(t.Context()))
	traces.RequireTree(t, id, `
		… registry: a
			registry: sql.tx
				registry: leaf of a
		… registry: b
			registry: sql.tx
				registry: leaf of b
	`)
	rootSpan.End()
	traces.RequireTree(t, id, `
		gateway: POST
			registry: a
				registry: leaf of a
			registry: b
				registry: leaf of b
	`, testkit.ByName("sql."))
	leaf := traces.Find(t, "a leaf", func(s testkit.Span) bool { return s.Name == "leaf of b" })
	require.Equal(t, map[string]string{"rows": "3", "table": "t"}, leaf.Attributes)
	require.True(t, leaf.Error)
	require.Equal(t, "no", leaf.StatusDescription)
	require.False(t, leaf.End.Before(leaf.Start))
	require.Equal(t, []string{id}, traces.TraceIDs())
	require.Len(t, traces.Spans(id), 7)
	require.Empty(t, traces.Tree("0123"))
}
