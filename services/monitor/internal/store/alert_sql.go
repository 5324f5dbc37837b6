package store

import (
	"context"
	"time"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

const alertColumns = `id, monitor, endpoint, threshold, state, columns, value, window_start, window_end, message, open_time, close_time`

func scanAlert(row scanner) (domain.Alert, error) {
	var (
		a                         domain.Alert
		threshold, columns        string
		start, end, open, closing int64
	)
	err := row.Scan(&a.ID, &a.Monitor, &a.Endpoint, &threshold, &a.State, &columns, &a.Value, &start, &end, &a.Message, &open, &closing, &a.Deliveries)
	if err != nil {
		return a, err
	}
	a.Window = domain.Window{Start: sqlkit.Time(start), End: sqlkit.Time(end)}
	a.OpenTime, a.CloseTime = sqlkit.Time(open), sqlkit.Time(closing)
	var t storedThreshold
	if err := decode(threshold, &t); err != nil {
		return a, err
	}
	a.Threshold = domain.Threshold(t)
	return a, decode(columns, &a.Columns)
}

// applyJudgement lets judge decide over the monitor's open alerts and stores what
// it decided, with an outbox entry per event and webhook. The caller holds the
// monitor's row.
func applyJudgement(ctx context.Context, tx sqlkit.Tx, monitor string, now time.Time, judge Judge) ([]domain.AlertChange, error) {
	open, err := collect(ctx, tx, scanAlert, `select `+alertColumns+`, 0 from alerts
		where monitor = $1 and state = 'OPEN' order by open_time, id`, monitor)
	if err != nil {
		return nil, err
	}
	changes := judge(open)
	for _, c := range changes {
		if err := writeAlert(ctx, tx, c.Alert); err != nil {
			return nil, err
		}
		if c.Event == nil {
			continue
		}
		payload, err := domain.Payload(*c.Event)
		if err != nil {
			return nil, err
		}
		if _, err := tx.ExecContext(ctx, `insert into alert_events (id, alert_id, kind, payload, create_time) values ($1, $2, $3, $4, $5)`,
			c.Event.ID, c.Alert.ID, c.Event.Kind, string(payload), sqlkit.Micros(c.Event.Time)); err != nil {
			return nil, err
		}
		if _, err := tx.ExecContext(ctx, `insert into webhook_deliveries
				(event_id, url, alert_id, monitor, state, attempts, next_attempt, lease_until, last_error, update_time)
			select $1, url, $2, monitor, 'PENDING', 0, $3, 0, '', $3 from webhooks where monitor = $4`,
			c.Event.ID, c.Alert.ID, sqlkit.Micros(now), monitor); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

func writeAlert(ctx context.Context, tx sqlkit.Tx, a domain.Alert) error {
	threshold, err := encode(storedThreshold(a.Threshold))
	if err != nil {
		return err
	}
	columns, err := encode(a.Columns)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `insert into alerts (`+alertColumns+`, threshold_key)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		on conflict (id) do update set state = excluded.state, columns = excluded.columns, value = excluded.value,
			window_start = excluded.window_start, window_end = excluded.window_end, message = excluded.message,
			close_time = excluded.close_time`,
		a.ID, a.Monitor, a.Endpoint, threshold, string(a.State), columns, a.Value, sqlkit.Micros(a.Window.Start),
		sqlkit.Micros(a.Window.End), a.Message, sqlkit.Micros(a.OpenTime), sqlkit.Micros(a.CloseTime), a.Threshold.Key())
	return err
}

func (s *monitors) ListAlerts(ctx context.Context, q domain.AlertQuery) ([]domain.Alert, error) {
	out, err := collect(ctx, s.db, scanAlert, `select `+alertColumns+`,
			(select count(*) from webhook_deliveries d where d.alert_id = alerts.id and d.state = 'DELIVERED')
		from alerts
		where ($1 = '' or monitor = $1) and ($2 = '' or endpoint = $2) and ($3 = '' or state = $3)
			and (cast($4 as bigint) = 0 or (open_time, id) < ($4, $5))
		order by open_time desc, id desc limit $6`,
		q.Monitor, q.Endpoint, string(q.State), q.After.Micros, q.After.ID, q.Limit)
	return out, sqlkit.Fault("store.ListAlerts", err)
}
