package sqlstore

import (
	"context"
	"time"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
)

// Claim takes or prolongs a lease in one statement, so that of two replicas one gets it.
func (s *Store) Claim(ctx context.Context, endpoint, holder string, now, until time.Time) (bool, error) {
	const op = "store.Claim"
	r, err := s.db.ExecContext(ctx, `insert into lease (endpoint_id, holder, expire_time) values ($1, $2, $4)
		on conflict (endpoint_id) do update set holder = excluded.holder, expire_time = excluded.expire_time
		where lease.holder = excluded.holder or lease.expire_time < $3`, endpoint, holder, sqlkit.Micros(now), sqlkit.Micros(until))
	if sqlkit.IsForeignKey(err) {
		return false, nil // the endpoint is gone: there is nothing to act on
	}
	if err != nil {
		return false, sqlkit.Fault(op, err)
	}
	n, err := r.RowsAffected()
	return n > 0, sqlkit.Fault(op, err)
}

// Release ends a lease.
func (s *Store) Release(ctx context.Context, endpoint, holder string) error {
	_, err := s.db.ExecContext(ctx, `delete from lease where endpoint_id = $1 and holder = $2`, endpoint, holder)
	return sqlkit.Fault("store.Release", err)
}
