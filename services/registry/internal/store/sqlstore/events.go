package sqlstore

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// Emit implements store.Tx.
func (t *transaction) Emit(e domain.Event) { t.events = append(t.events, e) }

// flush gives the events their positions and writes them. The row of head has been ours since the transaction began, so
// the positions are the next ones, and nobody sees a later one before these are committed.
func (t *transaction) flush(ctx context.Context) error {
	const op = "registry.store.flush"
	for _, e := range t.events {
		t.position++
		if _, err := exec(ctx, t.q, op, `insert into event (position, kind, entity, type, full_name, version, alias, actor, time) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			t.position, string(e.Kind), string(e.Entity), string(e.Subject.Type), e.Subject.FullName, e.Version, e.Alias, e.Actor, sqlkit.Micros(e.Time)); err != nil {
			return err
		}
	}
	if len(t.events) == 0 {
		return nil
	}
	return one(ctx, t.q, op, `update head set position = $1 where id = 1`, t.position)
}

// Events implements store.Events.
func (r reader) Events(ctx context.Context, after int64, limit int) ([]domain.Event, error) {
	return collect(ctx, r.q, "registry.store.Events", `select position, kind, entity, type, full_name, version, alias, actor, time from event where position > $1 order by position limit $2`,
		[]any{after, limit}, func(scan func(...any) error) (e domain.Event, err error) {
			var at int64
			err = scan(&e.Position, &e.Kind, &e.Entity, &e.Subject.Type, &e.Subject.FullName, &e.Version, &e.Alias, &e.Actor, &at)
			e.Time = sqlkit.Time(at)
			return e, err
		})
}

// Position implements store.Events.
func (r reader) Position(ctx context.Context) (position int64, err error) {
	err = r.q.QueryRowContext(ctx, `select position from head where id = 1`).Scan(&position)
	return position, sqlkit.Fault("registry.store.Position", err)
}
