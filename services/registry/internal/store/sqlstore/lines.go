package sqlstore

import (
	"context"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// Alias implements store.Versions.
func (r reader) Alias(ctx context.Context, line domain.Securable, alias string) (version int64, err error) {
	const op = "registry.store.Alias"
	err = r.q.QueryRowContext(ctx, `select version from alias where line_id = $1 and alias = $2`, line.ID, alias).Scan(&version)
	return version, missing(op, err, "alias %s of %s not found", alias, line.Ref)
}

// NextVersion implements store.VersionChanges.
func (t *transaction) NextVersion(ctx context.Context, lineID string, now time.Time) (version int64, err error) {
	err = t.q.QueryRowContext(ctx, `update securable set latest_version = latest_version + 1, update_time = $2 where id = $1 returning latest_version`,
		lineID, sqlkit.Micros(now)).Scan(&version)
	return version, sqlkit.Fault("registry.store.NextVersion", err)
}

// TouchModelVersion implements store.VersionChanges.
func (t *transaction) TouchModelVersion(ctx context.Context, modelID string, version int64, now time.Time) error {
	return one(ctx, t.q, "registry.store.TouchModelVersion", `update model_version set update_time = $3 where model_id = $1 and version = $2`,
		modelID, version, sqlkit.Micros(now))
}

// SetAlias implements store.VersionChanges.
func (t *transaction) SetAlias(ctx context.Context, lineID, alias string, version int64, now time.Time) (int64, error) {
	const op = "registry.store.SetAlias"
	var previous int64
	err := t.q.QueryRowContext(ctx, `select version from alias where line_id = $1 and alias = $2`, lineID, alias).Scan(&previous)
	if err = sqlkit.Fault(op, err); err != nil && !fault.Is(err, fault.NotFound) {
		return 0, err
	}
	if _, err := exec(ctx, t.q, op, `insert into alias (line_id, alias, version) values ($1, $2, $3)
		on conflict (line_id, alias) do update set version = excluded.version`, lineID, alias, version); err != nil {
		return 0, err
	}
	return previous, t.touch(ctx, op, lineID, now)
}

// DeleteAlias implements store.VersionChanges.
func (t *transaction) DeleteAlias(ctx context.Context, lineID, alias string, now time.Time) (previous int64, err error) {
	const op = "registry.store.DeleteAlias"
	err = t.q.QueryRowContext(ctx, `delete from alias where line_id = $1 and alias = $2 returning version`, lineID, alias).Scan(&previous)
	if err != nil {
		return 0, missing(op, err, "alias %s not found", alias)
	}
	return previous, t.touch(ctx, op, lineID, now)
}

func (t *transaction) touch(ctx context.Context, op, id string, now time.Time) error {
	return one(ctx, t.q, op, `update securable set update_time = $2 where id = $1`, id, sqlkit.Micros(now))
}
