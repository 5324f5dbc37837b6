package sqlstore_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
	"github.com/slipway-ai/slipway/services/registry/internal/store/sqlstore"
	"github.com/slipway-ai/slipway/services/registry/internal/store/storetest"
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) storetest.Database { return database(testkit.SQLite(t)) })
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) storetest.Database { return database(testkit.Postgres(t)) })
}

// database is the url of a fresh one.
type database string

func (d database) Open(t testing.TB) store.Store {
	s, err := sqlstore.Open(context.WithoutCancel(t.Context()), string(d), sqlstore.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (d database) Raw(t testing.TB) sqlkit.Querier { return testkit.OpenStore(t, string(d), nil) }

// A sequence is not rolled back, so a trigger can fail exactly the first attempts of a transaction, with the codes that
// PostgreSQL uses, at the place where PostgreSQL would.
func TestATransactionThatPostgresAbortsIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]string{"serialization failure": "40001", "deadlock": "40P01"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := database(testkit.Postgres(t))
			s := db.Open(t)
			raw := db.Raw(t)
			for _, statement := range []string{
				`create sequence attempt`,
				`create function trouble() returns trigger language plpgsql as $$ begin
					if nextval('attempt') <= 3 then raise exception 'trouble' using errcode = '` + code + `'; end if;
					return new;
				end $$`,
				`create trigger trouble before insert on alias for each row execute function trouble()`,
			} {
				_, err := raw.ExecContext(t.Context(), statement)
				require.NoError(t, err)
			}
			runs := 0
			require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
				runs++
				c := domain.Securable{ID: "c", ParentID: domain.MetastoreID, Ref: domain.Ref{Type: domain.TypeCatalog, FullName: "c"}}
				if err := tx.Create(ctx, c); err != nil {
					return err
				}
				tx.Emit(domain.Event{Kind: domain.Created, Entity: "catalog", Subject: c.Ref})
				_, err := tx.SetAlias(ctx, c.ID, "prod", 1, c.CreateTime)
				return err
			}))
			require.Equal(t, 4, runs)
			position, err := s.Position(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 1, position, "the attempts that failed left no events")
		})
	}
}

func TestACommitTellsThePositionOfItsNewestEvent(t *testing.T) {
	t.Parallel()
	var told []int64
	s, err := sqlstore.Open(t.Context(), testkit.SQLite(t), sqlstore.Options{Committed: func(position int64) { told = append(told, position) }})
	require.NoError(t, err)
	defer func() { _ = s.Close() }()
	for _, n := range []int{2, 0, 1} {
		require.NoError(t, s.Update(t.Context(), func(_ context.Context, tx store.Tx) error {
			for range n {
				tx.Emit(domain.Event{Kind: domain.Updated, Entity: "metastore", Subject: domain.Ref{Type: domain.TypeMetastore}})
			}
			return nil
		}))
	}
	require.Equal(t, []int64{2, 3}, told)
}
