package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

func (s *monitors) CommitRefresh(ctx context.Context, r domain.Refresh, judge Judge) ([]domain.AlertChange, error) {
	const op = "store.CommitRefresh"
	var changes []domain.AlertChange
	err := s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) error {
		if err := claim(ctx, tx, op, r.Monitor, r.Version, r.CreateTime); err != nil {
			return err
		}
		for _, w := range r.Windows {
			if err := dropWindow(ctx, tx, r.Monitor, w); err != nil {
				return err
			}
		}
		if err := insertProfile(ctx, tx, r.Monitor, r.Profile); err != nil {
			return err
		}
		if err := insertDrift(ctx, tx, r.Monitor, r.Drift); err != nil {
			return err
		}
		now := sqlkit.Micros(r.Now)
		if _, err := tx.ExecContext(ctx, `update monitors set last_refresh = $2, last_error = '', next_refresh = $2 + refresh_us,
			lease_until = 0 where name = $1`, r.Monitor, now); err != nil {
			return err
		}
		if r.Tumbling {
			_, err := tx.ExecContext(ctx, `update monitors set table_version = $2, evaluated_from = $3 where name = $1`,
				r.Monitor, r.TableVersion, sqlkit.Micros(r.EvaluatedFrom))
			if err != nil {
				return err
			}
		}
		var err error
		changes, err = applyJudgement(ctx, tx, r.Monitor, r.Now, judge)
		return err
	})
	return changes, sqlkit.Fault(op, err)
}

func dropWindow(ctx context.Context, tx sqlkit.Tx, monitor string, w domain.Window) error {
	start, end := sqlkit.Micros(w.Start), sqlkit.Micros(w.End)
	if _, err := tx.ExecContext(ctx, `delete from profile_metrics
		where monitor = $1 and window_start = $2 and window_end = $3 and log_type = 'INPUT'`, monitor, start, end); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `delete from drift_metrics where monitor = $1 and window_start = $2 and window_end = $3`, monitor, start, end)
	return err
}

func clearMetrics(ctx context.Context, tx sqlkit.Tx, monitor string) error {
	if _, err := tx.ExecContext(ctx, `delete from profile_metrics where monitor = $1 and log_type = 'INPUT'`, monitor); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `delete from drift_metrics where monitor = $1`, monitor)
	return err
}

func (s *monitors) FailRefresh(ctx context.Context, monitor string, now time.Time, why string) error {
	return sqlkit.Fault("store.FailRefresh", s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) error {
		_, err := tx.ExecContext(ctx, `update monitors set last_error = $2, next_refresh = $3 + refresh_us, lease_until = 0
			where name = $1`, monitor, why, sqlkit.Micros(now))
		return err
	}))
}

// insertRows writes many rows in few statements: a round trip per row is what makes
// a long refresh slow on PostgreSQL.
func insertRows(ctx context.Context, tx sqlkit.Tx, into string, width int, rows [][]any) error {
	const perStatement = 50 // 50 × 19 columns stay far below both dialects' limits on arguments
	for len(rows) > 0 {
		n := min(perStatement, len(rows))
		var text strings.Builder
		text.WriteString("insert into " + into + " values ")
		args := make([]any, 0, n*width)
		for i, row := range rows[:n] {
			if i > 0 {
				text.WriteString(", ")
			}
			for j := range row {
				sep := ", "
				if j == 0 {
					sep = "("
				}
				fmt.Fprintf(&text, "%s$%d", sep, i*width+j+1)
			}
			text.WriteString(")")
			args = append(args, row...)
		}
		if _, err := tx.ExecContext(ctx, text.String(), args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// metricsPage is the condition and the order of a list of metrics: newest window first,
// then ascending by the other columns of the key.
func metricsPage(q domain.MetricsQuery, key string, rest []any) (text string, args []any) {
	args = []any{q.Monitor, q.Column, sqlkit.Micros(q.Span.Start), sqlkit.Micros(q.Span.End), q.After.Start, q.After.End, q.Limit}
	marks := make([]string, len(rest))
	for i := range rest {
		marks[i] = fmt.Sprintf("$%d", len(args)+i+1)
	}
	args = append(args, rest...)
	return `where monitor = $1 and ($2 = '' or column_name = $2)
		and (cast($4 as bigint) = 0 or (window_start >= $3 and window_start < $4))
		and (cast($6 as bigint) = 0 or (window_start, window_end) < ($5, $6)
			or (window_start = $5 and window_end = $6 and (` + key + `) > (` + strings.Join(marks, ", ") + `)))
		order by window_start desc, window_end desc, ` + key + ` limit $7`, args
}
