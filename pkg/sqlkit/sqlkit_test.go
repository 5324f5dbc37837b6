package sqlkit_test

import (
	"context"
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/pkg/testkit"
)

//go:embed testdata/migrations
var embedded embed.FS

func migrations() fs.FS {
	sub, err := fs.Sub(embedded, "testdata/migrations")
	if err != nil {
		panic(err)
	}
	return sub
}

// backends are the urls of fresh databases.
var backends = map[string]func(testing.TB) string{"sqlite": testkit.SQLite, "postgres": testkit.Postgres}

func onEach(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	for name, fresh := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

func TestOneTextServesBothDialects(t *testing.T) {
	t.Parallel()
	testkit.EachBackend(t, migrations(), func(t *testing.T, db *sqlkit.DB) {
		ctx := t.Context()
		const upsert = `insert into account (id, balance, seen_at) values ($1, $2, $3)
			on conflict (id) do update set balance = excluded.balance returning balance`
		now := time.Date(2026, 11, 23, 12, 0, 0, 123_456_789, time.FixedZone("", 3600))
		for _, want := range []int64{10, 20} {
			var got int64
			require.NoError(t, db.QueryRowContext(ctx, upsert, "ana", want, sqlkit.Micros(now)).Scan(&got))
			require.Equal(t, want, got)
		}
		var returned string
		require.NoError(t, db.QueryRowContext(ctx, `insert into account (id, balance) values ($1, 1), ($2, 2) returning id`, "Ana", "ánа").Scan(&returned),
			"a returning statement goes where it can write")

		var names []string
		rows, err := db.Read().QueryContext(ctx, `select id from account where (id, balance) > ($1, $2) order by id, balance`, "Ana", 0)
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var id string
			require.NoError(t, rows.Scan(&id))
			names = append(names, id)
		}
		require.NoError(t, rows.Err())
		require.Equal(t, []string{"Ana", "ana", "ánа"}, names, "bytes decide the order on both")

		var micros int64
		require.NoError(t, db.QueryRowContext(ctx, `select seen_at from account where id = $1`, "ana").Scan(&micros))
		require.Equal(t, now.UTC().Truncate(time.Microsecond), sqlkit.Time(micros))
		require.NoError(t, db.Ping(ctx))
	})
}

func TestTimesAreMicrosecondsAndTheZeroTimeIsZero(t *testing.T) {
	t.Parallel()
	require.Zero(t, sqlkit.Micros(time.Time{}))
	require.True(t, sqlkit.Time(0).IsZero())
	for _, tm := range []time.Time{time.UnixMicro(1), time.UnixMicro(-1), time.Date(2262, 1, 1, 0, 0, 0, 1000, time.UTC)} {
		require.True(t, tm.Equal(sqlkit.Time(sqlkit.Micros(tm))))
	}
}

func TestErrorsAreToldApart(t *testing.T) {
	t.Parallel()
	testkit.EachBackend(t, migrations(), func(t *testing.T, db *sqlkit.DB) {
		ctx := t.Context()
		_, err := db.ExecContext(ctx, `insert into account (id, balance) values ('a', 1)`)
		require.NoError(t, err)
		_, unique := db.ExecContext(ctx, `insert into account (id, balance) values ('a', 1)`)
		_, foreign := db.ExecContext(ctx, `insert into entry (account_id, amount) values ('nobody', 1)`)
		_, err = db.ExecContext(ctx, `insert into entry (account_id, amount) values ('a', 1)`)
		require.NoError(t, err)
		_, restricted := db.ExecContext(ctx, `delete from account where id = 'a'`)
		missing := db.QueryRowContext(ctx, `select balance from account where id = 'b'`).Scan(new(int64))
		_, wrong := db.ExecContext(ctx, `insert into nowhere values (1)`)
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		_, gone := db.ExecContext(canceled, `insert into account (id, balance) values ('c', 1)`)

		require.True(t, sqlkit.IsUnique(unique))
		require.True(t, sqlkit.IsForeignKey(foreign))
		require.True(t, sqlkit.IsForeignKey(restricted), "%v", restricted)
		require.False(t, sqlkit.IsUnique(foreign) || sqlkit.IsForeignKey(unique) || sqlkit.IsUnique(wrong) || sqlkit.IsForeignKey(nil))
		for want, err := range map[fault.Kind]error{
			fault.AlreadyExists: unique, fault.NotFound: missing, fault.Internal: wrong, fault.Canceled: gone,
		} {
			require.Equal(t, want, fault.KindOf(sqlkit.Fault("store.Op", err)), "%v", err)
			require.NotContains(t, fault.Text(sqlkit.Fault("store.Op", err)), "account")
		}
		require.Equal(t, fault.FailedPrecondition, fault.KindOf(sqlkit.Fault("store.Op", foreign)))
		own := fault.New("x", fault.TooLarge, "y")
		require.Same(t, own, sqlkit.Fault("store.Op", own))
		require.NoError(t, sqlkit.Fault("store.Op", nil))
	})
}

func TestManyMayOpenAtOnceAndOneMigrates(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		const openers = 6
		var wg sync.WaitGroup
		errs := make([]error, openers)
		for i := range openers {
			wg.Go(func() {
				db, err := sqlkit.Open(t.Context(), url, migrations(), sqlkit.Options{})
				if errs[i] = err; err == nil {
					_, errs[i] = db.ExecContext(t.Context(), `insert into account (id, balance) values ($1, 1)`, string(rune('a'+i)))
					require.NoError(t, db.Close())
				}
			})
		}
		wg.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		db := testkit.OpenStore(t, url, migrations())
		var applied int
		require.NoError(t, db.QueryRowContext(t.Context(), `select count(*) from goose_db_version where version_id > 0`).Scan(&applied))
		require.Equal(t, 2, applied, "each migration once")
	})
}

func TestAnOlderSchemaIsBroughtUpToDateAndANewerOneRefused(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		old := fstest.MapFS{}
		for _, d := range []string{"sqlite", "postgres"} {
			name := d + "/00001_account.sql"
			text, err := fs.ReadFile(migrations(), name)
			require.NoError(t, err)
			old[name] = &fstest.MapFile{Data: text}
		}
		db, err := sqlkit.Open(t.Context(), url, old, sqlkit.Options{})
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), `insert into account (id, balance) values ('kept', 1)`)
		require.NoError(t, err)
		require.NoError(t, db.Close())

		db = testkit.OpenStore(t, url, migrations())
		_, err = db.ExecContext(t.Context(), `insert into entry (account_id, amount, note) values ('kept', 1, 'new column')`)
		require.NoError(t, err)

		_, err = sqlkit.Open(t.Context(), url, old, sqlkit.Options{})
		require.True(t, fault.Is(err, fault.FailedPrecondition), "%v", err)
		require.Equal(t, "SCHEMA_TOO_NEW", fault.Reason(err))
	})
}

func TestABrokenMigrationLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		broken := &fstest.MapFile{Data: []byte("-- +goose Up\ncreate table half (id bigint);\ninsert into nowhere values (1);\n")}
		bad := fstest.MapFS{"sqlite/00001_x.sql": broken, "postgres/00001_x.sql": broken}
		_, err := sqlkit.Open(t.Context(), url, bad, sqlkit.Options{})
		require.True(t, fault.Is(err, fault.Internal), "%v", err)
		db := testkit.OpenStore(t, url, migrations())
		_, err = db.ExecContext(t.Context(), `insert into half values (1)`)
		require.Error(t, err, "the table of the broken migration was rolled back")
	})
}

func TestASQLiteDatabaseIsForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a new folder", "50% more")
	db := testkit.OpenStore(t, "sqlite://"+filepath.Join(dir, "x.db"), migrations())
	_, err := db.ExecContext(t.Context(), `insert into account (id, balance) values ('a', 1)`)
	require.NoError(t, err)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
		info, err := f.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f.Name())
	}
	require.Equal(t, []string{"x.db", "x.db-shm", "x.db-wal", "x.db.migrate.lock"}, names)
}

func TestSQLiteIsDurableAndItsReadersCannotWrite(t *testing.T) {
	t.Parallel()
	db := testkit.OpenStore(t, testkit.SQLite(t), migrations())
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx sqlkit.Tx) error {
		var mode, synchronous, keys string
		require.NoError(t, tx.QueryRowContext(ctx, `pragma journal_mode`).Scan(&mode))
		require.NoError(t, tx.QueryRowContext(ctx, `pragma synchronous`).Scan(&synchronous))
		require.NoError(t, tx.QueryRowContext(ctx, `pragma foreign_keys`).Scan(&keys))
		require.Equal(t, []string{"wal", "2", "1"}, []string{mode, synchronous, keys})
		return nil
	}))
	_, err := db.Read().ExecContext(t.Context(), `insert into account (id, balance) values ('a', 1)`)
	require.Error(t, err)
}

func TestPostgresCreatesTheSchemaItIsNamed(t *testing.T) {
	t.Parallel()
	base := testkit.PostgresDatabase(t)
	for _, path := range []string{"registry", `%22Mixed%20Case%22%2C%20public`, "Folded"} {
		db := testkit.OpenStore(t, base+"&search_path="+path, migrations())
		_, err := db.ExecContext(t.Context(), `insert into account (id, balance) values ('a', 1)`)
		require.NoError(t, err)
	}
	db := testkit.OpenStore(t, base, nil)
	rows, err := db.QueryContext(t.Context(), `select table_schema from information_schema.tables where table_name = 'account' order by 1`)
	require.NoError(t, err)
	defer rows.Close()
	var schemas []string
	for rows.Next() {
		var s string
		require.NoError(t, rows.Scan(&s))
		schemas = append(schemas, s)
	}
	require.NoError(t, rows.Err())
	require.ElementsMatch(t, []string{"registry", "Mixed Case", "folded"}, schemas)
}

func TestAURLThatCannotBeOpenedIsAClearErrorWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]fault.Kind{
		"mysql://u:hunter2@h/d":                              fault.Invalid,
		"postgres://u:hunter2@127.0.0.1:1/d?sslmode=x":       fault.Invalid,
		"postgres://u:hunter2@127.0.0.1:1/d":                 fault.Unavailable,
		"sqlite:":                                            fault.Invalid,
		"sqlite:///x.db?mode=memory":                         fault.Invalid,
		"sqlite:///proc/slipway/x.db":                        fault.Unavailable,
		"sqlite://" + file(t, strings.Repeat("no rows", 99)): fault.DataLoss,
	} {
		db, err := sqlkit.Open(t.Context(), url, migrations(), sqlkit.Options{})
		require.Nil(t, db)
		require.Equal(t, want, fault.KindOf(err), "%s: %v", url, err)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
