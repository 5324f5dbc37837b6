package sqlstore

import (
	"context"
	"math"
	"time"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/serving/internal/store"
)

// Join records a gateway's stream in place of any earlier one.
func (s *Store) Join(ctx context.Context, g store.Gateway) error {
	_, err := s.db.ExecContext(ctx, `insert into gateway (id, stream, replica, applied, expire_time) values ($1, $2, $3, $4, $5)
		on conflict (id) do update set stream = excluded.stream, replica = excluded.replica, applied = excluded.applied, expire_time = excluded.expire_time`,
		g.ID, g.Stream, g.Replica, g.Applied, sqlkit.Micros(g.Until))
	return sqlkit.Fault("store.Join", err)
}

// Acknowledge raises what a stream has applied.
func (s *Store) Acknowledge(ctx context.Context, g store.Gateway) (bool, error) {
	const op = "store.Acknowledge"
	r, err := s.db.ExecContext(ctx, `update gateway set applied = case when applied < $3 then $3 else applied end, expire_time = $4
		where id = $1 and stream = $2`, g.ID, g.Stream, g.Applied, sqlkit.Micros(g.Until))
	if err != nil {
		return false, sqlkit.Fault(op, err)
	}
	n, err := r.RowsAffected()
	return n > 0, sqlkit.Fault(op, err)
}

// Leave forgets a stream.
func (s *Store) Leave(ctx context.Context, id, stream string) error {
	_, err := s.db.ExecContext(ctx, `delete from gateway where id = $1 and stream = $2`, id, stream)
	return sqlkit.Fault("store.Leave", err)
}

// Keep prolongs a replica's streams and sweeps away what nobody prolonged.
func (s *Store) Keep(ctx context.Context, replica string, now, until time.Time) error {
	const op = "store.Keep"
	if _, err := s.db.ExecContext(ctx, `update gateway set expire_time = $2 where replica = $1`, replica, sqlkit.Micros(until)); err != nil {
		return sqlkit.Fault(op, err)
	}
	_, err := s.db.ExecContext(ctx, `delete from gateway where expire_time < $1`, sqlkit.Micros(now))
	return sqlkit.Fault(op, err)
}

// Applied is how far the slowest connected gateway is.
func (s *Store) Applied(ctx context.Context, now time.Time) (lowest int64, connected int, err error) {
	err = s.db.QueryRowContext(ctx, `select coalesce(min(applied), $2), count(*) from gateway where expire_time >= $1`,
		sqlkit.Micros(now), int64(math.MaxInt64)).Scan(&lowest, &connected)
	return lowest, connected, sqlkit.Fault("store.Applied", err)
}
