package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// Table is the routing table. One statement, so that rows and revision are of one moment on every isolation level.
func (s *Store) Table(ctx context.Context) (domain.RouteTable, error) {
	const op = "store.Table"
	rows, err := s.db.QueryContext(ctx, `select t.revision, r.body from route_table t left join route r on true order by r.name`)
	if err != nil {
		return domain.RouteTable{}, sqlkit.Fault(op, err)
	}
	defer rows.Close()
	var table domain.RouteTable
	for rows.Next() {
		var body sql.NullString
		if err := rows.Scan(&table.Revision, &body); err != nil {
			return domain.RouteTable{}, sqlkit.Fault(op, err)
		}
		if !body.Valid {
			continue
		}
		var r domain.Route
		if err := decode(op, "route", body.String, &r); err != nil {
			return domain.RouteTable{}, err
		}
		table.Routes = append(table.Routes, r)
	}
	return table, sqlkit.Fault(op, rows.Err())
}

// TableRevision is the routing table's revision.
func (s *Store) TableRevision(ctx context.Context) (int64, error) { return tableRevision(ctx, s.db) }

func tableRevision(ctx context.Context, q sqlkit.Querier) (int64, error) {
	var revision int64
	err := q.QueryRowContext(ctx, `select revision from route_table`).Scan(&revision)
	return revision, sqlkit.Fault("store.TableRevision", err)
}

// saveRoute brings the endpoint's route up to date and returns the table's revision, which has grown if that changed it.
func saveRoute(ctx context.Context, tx sqlkit.Tx, e *domain.Endpoint) (int64, error) {
	var before string
	err := tx.QueryRowContext(ctx, `select body from route where endpoint_id = $1`, e.ID).Scan(&before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	after := ""
	if r := domain.RouteOf(e); r != nil {
		after = encode(r)
	}
	if after == before {
		return tableRevision(ctx, tx)
	}
	if after == "" {
		_, err = tx.ExecContext(ctx, `delete from route where endpoint_id = $1`, e.ID)
	} else {
		_, err = tx.ExecContext(ctx, `insert into route (endpoint_id, name, body) values ($1, $2, $3)
			on conflict (endpoint_id) do update set body = excluded.body`, e.ID, e.Name, after)
	}
	if err != nil {
		return 0, err
	}
	var revision int64
	err = tx.QueryRowContext(ctx, `update route_table set revision = revision + 1 returning revision`).Scan(&revision)
	return revision, err
}
