package store

import (
	"context"
	"time"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

func (s *monitors) ClaimDeliveries(ctx context.Context, now, until time.Time, limit int) ([]domain.Delivery, error) {
	const op = "store.ClaimDeliveries"
	due, err := s.some(ctx, `select 1 from webhook_deliveries where state = 'PENDING' and next_attempt <= $1 and lease_until <= $1`, sqlkit.Micros(now))
	if err != nil || !due {
		return nil, sqlkit.Fault(op, err)
	}
	var claimed []domain.Delivery
	err = s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) (err error) {
		// Event ids grow with time (UUIDv7), so a smaller one of the same alert must go first.
		claimed, err = collect(ctx, tx, func(row scanner) (d domain.Delivery, err error) {
			var created int64
			var payload string
			err = row.Scan(&d.EventID, &d.URL, &d.Monitor, &d.Kind, &payload, &d.Attempts, &created)
			d.Payload, d.Created = []byte(payload), sqlkit.Time(created)
			d.Attempts++
			return d, err
		}, `select d.event_id, d.url, d.monitor, e.kind, e.payload, d.attempts, e.create_time
			from webhook_deliveries d join alert_events e on e.id = d.event_id
			where d.state = 'PENDING' and d.next_attempt <= $1 and d.lease_until <= $1
				and not exists (select 1 from webhook_deliveries b
					where b.alert_id = d.alert_id and b.url = d.url and b.state = 'PENDING' and b.event_id < d.event_id)
			order by d.next_attempt, d.event_id, d.url limit $2`, sqlkit.Micros(now), limit)
		if err != nil {
			return err
		}
		for _, d := range claimed {
			if _, err := tx.ExecContext(ctx, `update webhook_deliveries set lease_until = $3, attempts = attempts + 1
				where event_id = $1 and url = $2`, d.EventID, d.URL, sqlkit.Micros(until)); err != nil {
				return err
			}
		}
		return nil
	})
	return claimed, sqlkit.Fault(op, err)
}

func (s *monitors) FinishDelivery(ctx context.Context, d domain.Delivery, now time.Time, abandoned string) error {
	state := "DELIVERED"
	if abandoned != "" {
		state = "ABANDONED"
	}
	return s.settle(ctx, `update webhook_deliveries set state = $3, last_error = $4, update_time = $5, lease_until = 0
		where event_id = $1 and url = $2`, d.EventID, d.URL, state, abandoned, sqlkit.Micros(now))
}

func (s *monitors) RetryDelivery(ctx context.Context, d domain.Delivery, now, next time.Time, why string) error {
	return s.settle(ctx, `update webhook_deliveries set next_attempt = $3, last_error = $4, update_time = $5, lease_until = 0
		where event_id = $1 and url = $2 and state = 'PENDING'`, d.EventID, d.URL, sqlkit.Micros(next), why, sqlkit.Micros(now))
}

func (s *monitors) settle(ctx context.Context, statement string, args ...any) error {
	return sqlkit.Fault("store.settleDelivery", s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) error {
		_, err := tx.ExecContext(ctx, statement, args...)
		return err
	}))
}

func (s *monitors) Pending(ctx context.Context) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, `select count(*) from webhook_deliveries where state = 'PENDING'`).Scan(&n)
	return n, sqlkit.Fault("store.Pending", err)
}
