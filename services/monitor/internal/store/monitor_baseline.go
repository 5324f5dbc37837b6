package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

func (s *monitors) SetBaseline(ctx context.Context, m domain.Monitor, profile []byte, rows []domain.ProfileMetrics) error {
	const op = "store.SetBaseline"
	return sqlkit.Fault(op, s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) error {
		if err := claim(ctx, tx, op, m.Name, m.Version-1, m.CreateTime); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `update monitors set baseline_start = $2, baseline_end = $3, baseline_rows = $4,
			baseline_profile = $5, version = $6, update_time = $7, table_version = $8, evaluated_from = $9, lease_until = 0
			where name = $1`,
			m.Name, sqlkit.Micros(m.Baseline.Start), sqlkit.Micros(m.Baseline.End), m.BaselineRows, profile,
			m.Version, sqlkit.Micros(m.UpdateTime), m.TableVersion, sqlkit.Micros(m.EvaluatedFrom))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `delete from profile_metrics where monitor = $1 and log_type = 'BASELINE'`, m.Name); err != nil {
			return err
		}
		return insertProfile(ctx, tx, m.Name, rows)
	}))
}

func (s *monitors) BaselineProfile(ctx context.Context, name string) ([]byte, error) {
	const op = "store.BaselineProfile"
	var profile []byte
	err := s.db.QueryRowContext(ctx, `select baseline_profile from monitors where name = $1`, name).Scan(&profile)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound(op, name)
	}
	return profile, sqlkit.Fault(op, err)
}
