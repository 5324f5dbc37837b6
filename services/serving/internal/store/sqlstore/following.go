package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
)

// registryStream is the one stream that is followed.
const registryStream = "registry"

// Position is the last registry event that was taken in.
func (s *Store) Position(ctx context.Context) (int64, error) {
	var position int64
	err := s.db.QueryRowContext(ctx, `select position from follower where stream = $1`, registryStream).Scan(&position)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return position, sqlkit.Fault("store.Position", err)
}

// Moved marks the endpoints that follow one of the references and takes the position in.
func (s *Store) Moved(ctx context.Context, position int64, references []string) ([]string, error) {
	var ids []string
	err := s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) error {
		ids = nil
		for _, uri := range references {
			touched, err := touch(ctx, tx, uri)
			if err != nil {
				return err
			}
			ids = append(ids, touched...)
		}
		_, err := tx.ExecContext(ctx, `insert into follower (stream, position) values ($1, $2)
			on conflict (stream) do update set position = excluded.position where follower.position < excluded.position`, registryStream, position)
		return err
	})
	return ids, sqlkit.Fault("store.Moved", err)
}

func touch(ctx context.Context, tx sqlkit.Tx, uri string) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `update endpoint set follow_wanted = follow_wanted + 1, unsettled = 1
		where deleting = 0 and exists (select 1 from reference r where r.uri = $1 and r.endpoint_id = endpoint.id
			and (r.number = endpoint.active_revision or r.number = endpoint.pending_revision))
		returning id`, uri)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
