package sqlkit

import (
	"context"
	"database/sql"
	"hash/fnv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/slipway-ai/slipway/pkg/fault"
)

const (
	postgresConns = 16
	idleConns     = 4
	connLifetime  = 30 * time.Minute // lets a changed address or a rebalanced pooler be noticed
)

// openPostgres opens the pool, and holds an advisory lock on the schema's name until unlock is called, so that of several
// processes one migrates and the others find it done. The lock is one per schema: services that share a database do not
// wait for each other. An error never shows the url, which may hold a password.
func (db *DB) openPostgres(ctx context.Context, rawURL string, o Options) (unlock func(), err error) {
	cfg, err := pgx.ParseConfig(rawURL)
	if err != nil {
		return nil, fault.New("sqlkit.Open", fault.Invalid, "the postgres url cannot be read")
	}
	db.dialect = Postgres
	db.write = stdlib.OpenDB(*cfg)
	db.read = db.write
	conns := o.MaxConns
	if conns <= 0 {
		conns = postgresConns
	}
	db.write.SetMaxOpenConns(max(conns, 2)) // one holds the lock while another migrates
	db.write.SetMaxIdleConns(min(conns, idleConns))
	db.write.SetConnMaxLifetime(connLifetime)
	unlock, err = db.lockSchema(ctx, cfg)
	if err != nil {
		_ = db.Close()
		return nil, fault.Wrap("sqlkit.Open", kindOf(err), err, "the postgres store cannot be opened")
	}
	return unlock, nil
}

func (db *DB) lockSchema(ctx context.Context, cfg *pgx.ConnConfig) (unlock func(), err error) {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return nil, err
	}
	schema := firstSchema(cfg.RuntimeParams["search_path"])
	h := fnv.New64a()
	_, _ = h.Write([]byte("slipway migrations of " + schema))
	key := int64(h.Sum64())
	if _, err := conn.ExecContext(ctx, `select pg_advisory_lock($1)`, key); err != nil {
		_ = conn.Close()
		return nil, err
	}
	unlock = func() {
		// Also when the opening was canceled: a connection that goes back to the pool must not keep the lock.
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), `select pg_advisory_unlock($1)`, key)
		_ = conn.Close()
	}
	if schema == "" {
		return unlock, nil
	}
	if err := createSchema(ctx, conn, schema); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// createSchema asks first: `create schema if not exists` needs a permission that a careful operator does not give.
func createSchema(ctx context.Context, conn *sql.Conn, schema string) error {
	var exists bool
	if err := conn.QueryRowContext(ctx, `select exists (select from pg_namespace where nspname = $1)`, schema).Scan(&exists); err != nil || exists {
		return err
	}
	_, err := conn.ExecContext(ctx, `create schema if not exists `+pgx.Identifier{schema}.Sanitize())
	return err
}

// firstSchema is where new tables go: the first name in a search path that is not "$user".
func firstSchema(path string) string {
	for name := range strings.SplitSeq(path, ",") {
		name = strings.TrimSpace(name)
		if quoted := strings.HasPrefix(name, `"`); quoted {
			name = strings.ReplaceAll(strings.Trim(name, `"`), `""`, `"`)
		} else {
			name = strings.ToLower(name)
		}
		if name != "" && name != "$user" {
			return name
		}
	}
	return ""
}
