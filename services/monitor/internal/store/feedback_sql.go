package store

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

const feedbackColumns = `id, request_id, endpoint, name, value, rationale, source, creator, create_time`

func (s *monitors) AddFeedback(ctx context.Context, f domain.Feedback) error {
	value, err := encode(f.Value)
	if err != nil {
		return err
	}
	return sqlkit.Fault("store.AddFeedback", s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) error {
		_, err := tx.ExecContext(ctx, `insert into feedback (`+feedbackColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			f.ID, f.RequestID, f.Endpoint, f.Name, value, f.Rationale, string(f.Source), f.Creator, sqlkit.Micros(f.CreateTime))
		return err
	}))
}

func (s *monitors) ListFeedback(ctx context.Context, q domain.FeedbackQuery) ([]domain.Feedback, error) {
	out, err := collect(ctx, s.db, func(row scanner) (f domain.Feedback, err error) {
		var value string
		var created int64
		if err := row.Scan(&f.ID, &f.RequestID, &f.Endpoint, &f.Name, &value, &f.Rationale, &f.Source, &f.Creator, &created); err != nil {
			return f, err
		}
		f.CreateTime = sqlkit.Time(created)
		return f, decode(value, &f.Value)
	}, `select `+feedbackColumns+` from feedback
		where ($1 = '' or endpoint = $1) and ($2 = '' or request_id = $2) and ($3 = '' or name = $3)
			and (cast($4 as bigint) = 0 or (create_time, id) < ($4, $5))
		order by create_time desc, id desc limit $6`,
		q.Endpoint, q.RequestID, q.Name, q.After.Micros, q.After.ID, q.Limit)
	return out, sqlkit.Fault("store.ListFeedback", err)
}
