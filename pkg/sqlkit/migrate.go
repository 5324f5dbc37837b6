package sqlkit

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// migrate applies what is missing, in order, each migration in a transaction. The caller holds the lock.
func (db *DB) migrate(ctx context.Context, migrations fs.FS) error {
	if migrations == nil {
		return nil
	}
	const op = "sqlkit.migrate"
	dialect, dir := goose.DialectSQLite3, "sqlite"
	if db.dialect == Postgres {
		dialect, dir = goose.DialectPostgres, "postgres"
	}
	files, err := fs.Sub(migrations, dir)
	if err != nil {
		return fault.Wrap(op, fault.Internal, err, "internal error")
	}
	provider, err := goose.NewProvider(dialect, db.write, files)
	if errors.Is(err, goose.ErrNoMigrations) {
		return fault.Wrap(op, fault.Internal, err, "no migrations for %s", db.dialect)
	}
	if err != nil {
		return fault.Wrap(op, fault.Internal, err, "internal error")
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return fault.Wrap(op, kindOf(err), err, "the version of the schema cannot be read")
	}
	if current > target {
		return fault.New(op, fault.FailedPrecondition, "the schema is at version %d, newer than this program's %d: run a newer program", current, target).WithReason("SCHEMA_TOO_NEW")
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return fault.Wrap(op, kindOf(err), err, "the schema cannot be brought up to date")
	}
	for _, r := range results {
		db.log.LogAttrs(ctx, slog.LevelInfo, "migration applied", slog.Int64("version", r.Source.Version), slog.Duration("took", r.Duration))
	}
	return nil
}
