package sqlkit

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/slipway-ai/slipway/pkg/fault"
)

const (
	sqliteReaders = 4
	busyWait      = 10 * time.Second
)

// openSQLite opens one connection that writes and a pool that reads. One writer, because several on one file wait for
// each other by polling; a queue in this process is fair and fast. FULL, because a commit that was acknowledged must
// survive a power failure.
func (db *DB) openSQLite(ctx context.Context, rawURL string, o Options) (unlock func(), err error) {
	path, err := sqlitePath(rawURL)
	if err != nil {
		return nil, err
	}
	if err := createPrivate(path); err != nil {
		return nil, fault.Wrap("sqlkit.Open", fault.Unavailable, err, "the database file %s cannot be created", path)
	}
	if unlock, err = lockFile(ctx, path+".migrate.lock"); err != nil {
		return nil, fault.Wrap("sqlkit.Open", fault.Unavailable, err, "the database file %s cannot be locked", path)
	}
	db.dialect = SQLite
	wait := o.BusyWait
	if wait <= 0 {
		wait = busyWait
	}
	if db.write, err = sql.Open("sqlite", sqliteDSN(path, wait, "_txlock", "immediate", "_pragma", "synchronous(full)", "_pragma", "journal_mode(wal)")); err != nil {
		unlock()
		return nil, fault.Wrap("sqlkit.Open", fault.Internal, err, "the database file %s cannot be opened", path)
	}
	db.write.SetMaxOpenConns(1)
	if db.read, err = sql.Open("sqlite", sqliteDSN(path, wait, "_pragma", "query_only(1)")); err != nil {
		unlock()
		_ = db.write.Close()
		return nil, fault.Wrap("sqlkit.Open", fault.Internal, err, "the database file %s cannot be opened", path)
	}
	readers := o.MaxConns
	if readers <= 0 {
		readers = sqliteReaders
	}
	db.read.SetMaxOpenConns(readers)
	db.read.SetMaxIdleConns(readers)
	if err := db.write.PingContext(ctx); err != nil { // makes it a WAL database before a reader looks
		unlock()
		_ = db.Close()
		return nil, fault.Wrap("sqlkit.Open", kindOf(err), err, "the database file %s cannot be opened", path)
	}
	return unlock, nil
}

func sqlitePath(rawURL string) (string, error) {
	path := strings.TrimPrefix(strings.TrimPrefix(rawURL, "sqlite:"), "//")
	if path == "" || strings.ContainsAny(path, "?#") {
		return "", fault.New("sqlkit.Open", fault.Invalid, "a sqlite url is sqlite:///absolute/path.db or sqlite:relative/path.db, without parameters")
	}
	return path, nil
}

// sqliteDSN escapes the path: one with a % or a space is still a file name. Foreign keys are off by default in SQLite,
// per connection.
func sqliteDSN(path string, wait time.Duration, keyValues ...string) string {
	q := url.Values{"_pragma": {fmt.Sprintf("busy_timeout(%d)", wait.Milliseconds()), "foreign_keys(1)"}}
	for i := 0; i+1 < len(keyValues); i += 2 {
		q.Add(keyValues[i], keyValues[i+1])
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// createPrivate makes the file before SQLite does, for its owner alone. SQLite gives the files beside it the same mode.
func createPrivate(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}
