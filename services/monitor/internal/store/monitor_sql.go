package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// spec is the part of a monitor that is stored as JSON: read whole, never searched.
type spec struct {
	GranularitySeconds int64             `json:"granularity_seconds"`
	Columns            []string          `json:"columns"`
	Thresholds         []storedThreshold `json:"thresholds"`
	MinRows            int               `json:"min_rows"`
	FDR                float64           `json:"fdr"`
}

type storedThreshold struct {
	Metric   string  `json:"metric"`
	Column   string  `json:"column,omitempty"`
	Operator string  `json:"operator,omitempty"`
	Value    float64 `json:"value,omitempty"`
	Severity string  `json:"severity"`
}

func specOf(m domain.Monitor) (string, error) {
	s := spec{
		GranularitySeconds: int64(time.Duration(m.Granularity) / time.Second),
		Columns:            m.Columns, MinRows: m.MinRows, FDR: m.FDR,
	}
	for _, t := range m.Thresholds {
		s.Thresholds = append(s.Thresholds, storedThreshold(t))
	}
	return encode(s)
}

// encode writes JSON; what cannot be written is a mistake of the program.
func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fault.Wrap("store.encode", fault.Internal, err, "internal error")
	}
	return string(b), nil
}

func decode(s string, v any) error {
	if err := json.Unmarshal([]byte(s), v); err != nil {
		return fault.Wrap("store.decode", fault.DataLoss, err, "stored data is damaged")
	}
	return nil
}

const monitorColumns = `name, endpoint, spec, baseline_start, baseline_end, baseline_rows, refresh_us, version, owner,
	create_time, update_time, last_refresh, last_error, table_version, evaluated_from`

type scanner interface{ Scan(into ...any) error }

func scanMonitor(row scanner) (domain.Monitor, error) {
	var (
		m                                      domain.Monitor
		raw                                    string
		baseStart, baseEnd, refresh            int64
		created, updated, refreshed, evaluated int64
	)
	err := row.Scan(&m.Name, &m.Endpoint, &raw, &baseStart, &baseEnd, &m.BaselineRows, &refresh, &m.Version, &m.Owner,
		&created, &updated, &refreshed, &m.LastError, &m.TableVersion, &evaluated)
	if err != nil {
		return m, err
	}
	var s spec
	if err := decode(raw, &s); err != nil {
		return m, err
	}
	m.Granularity = domain.Granularity(time.Duration(s.GranularitySeconds) * time.Second)
	m.Columns, m.MinRows, m.FDR = s.Columns, s.MinRows, s.FDR
	for _, t := range s.Thresholds {
		m.Thresholds = append(m.Thresholds, domain.Threshold(t))
	}
	m.Baseline = domain.Window{Start: sqlkit.Time(baseStart), End: sqlkit.Time(baseEnd)}
	m.RefreshInterval = time.Duration(refresh) * time.Microsecond
	m.CreateTime, m.UpdateTime = sqlkit.Time(created), sqlkit.Time(updated)
	m.LastRefreshTime, m.EvaluatedFrom = sqlkit.Time(refreshed), sqlkit.Time(evaluated)
	return m, nil
}

func (s *monitors) CreateMonitor(ctx context.Context, m domain.Monitor, secrets map[string]config.Secret) error {
	const op = "store.CreateMonitor"
	raw, err := specOf(m)
	if err != nil {
		return err
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) error {
		_, err := tx.ExecContext(ctx, `insert into monitors (`+monitorColumns+`, next_refresh, lease_until)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0)`,
			m.Name, m.Endpoint, raw, sqlkit.Micros(m.Baseline.Start), sqlkit.Micros(m.Baseline.End), m.BaselineRows,
			m.RefreshInterval.Microseconds(), m.Version, m.Owner, sqlkit.Micros(m.CreateTime), sqlkit.Micros(m.UpdateTime),
			sqlkit.Micros(m.LastRefreshTime), m.LastError, m.TableVersion, sqlkit.Micros(m.EvaluatedFrom),
			sqlkit.Micros(m.CreateTime.Add(m.RefreshInterval)))
		if err != nil {
			return err
		}
		return writeWebhooks(ctx, tx, m, secrets)
	})
	if sqlkit.IsUnique(err) {
		return fault.Wrap(op, fault.AlreadyExists, err, "monitor %s exists already", m.Name).WithReason("MONITOR_EXISTS")
	}
	return sqlkit.Fault(op, err)
}

func notFound(op, name string) error {
	return fault.New(op, fault.NotFound, "monitor %s does not exist", name).WithReason("MONITOR_NOT_FOUND")
}

func (s *monitors) GetMonitor(ctx context.Context, name string) (domain.Monitor, error) {
	const op = "store.GetMonitor"
	m, err := scanMonitor(s.db.QueryRowContext(ctx, `select `+monitorColumns+` from monitors where name = $1`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return m, notFound(op, name)
	}
	if err != nil {
		return m, sqlkit.Fault(op, err)
	}
	err = readWebhooks(ctx, s.db, map[string]*domain.Monitor{m.Name: &m}, name, name)
	return m, sqlkit.Fault(op, err)
}

func (s *monitors) ListMonitors(ctx context.Context, endpoint, after string, limit int) ([]domain.Monitor, error) {
	const op = "store.ListMonitors"
	out, err := collect(ctx, s.db, scanMonitor, `select `+monitorColumns+` from monitors
		where name > $1 and ($2 = '' or endpoint = $2) order by name limit $3`, after, endpoint, limit)
	if err != nil || len(out) == 0 {
		return nil, sqlkit.Fault(op, err)
	}
	byName := map[string]*domain.Monitor{}
	for i := range out {
		byName[out[i].Name] = &out[i]
	}
	err = readWebhooks(ctx, s.db, byName, out[0].Name, out[len(out)-1].Name)
	return out, sqlkit.Fault(op, err)
}

// collect runs a query and reads its rows.
func collect[T any](ctx context.Context, q sqlkit.Querier, read func(scanner) (T, error), query string, args ...any) (out []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		v, err := read(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// claim takes the monitor's row for change if it is still the one that the caller
// read: the same creation, the given version.
func claim(ctx context.Context, tx sqlkit.Tx, op, name string, version int64, created time.Time) error {
	var storedVersion, storedCreated int64
	err := tx.QueryRowContext(ctx, `select version, create_time from monitors where name = $1`+sqlkit.ForUpdate(tx.Dialect()), name).
		Scan(&storedVersion, &storedCreated)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return notFound(op, name)
	case err != nil:
		return err
	case storedCreated != sqlkit.Micros(created) || storedVersion != version:
		return fault.New(op, fault.Aborted, "monitor %s was changed meanwhile; read it again", name).WithReason("MONITOR_CHANGED")
	}
	return nil
}

func (s *monitors) UpdateMonitor(ctx context.Context, m domain.Monitor, secrets map[string]config.Secret, clear bool, judge Judge) ([]domain.AlertChange, error) {
	const op = "store.UpdateMonitor"
	raw, err := specOf(m)
	if err != nil {
		return nil, err
	}
	var changes []domain.AlertChange
	err = s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) error {
		if err := claim(ctx, tx, op, m.Name, m.Version-1, m.CreateTime); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `update monitors set spec = $2, refresh_us = $3, version = $4, owner = $5, update_time = $6,
			table_version = $7, evaluated_from = $8, next_refresh = $9, lease_until = 0 where name = $1`,
			m.Name, raw, m.RefreshInterval.Microseconds(), m.Version, m.Owner, sqlkit.Micros(m.UpdateTime),
			m.TableVersion, sqlkit.Micros(m.EvaluatedFrom), sqlkit.Micros(m.UpdateTime.Add(m.RefreshInterval)))
		if err != nil {
			return err
		}
		if err := writeWebhooks(ctx, tx, m, secrets); err != nil {
			return err
		}
		if clear {
			if err := clearMetrics(ctx, tx, m.Name); err != nil {
				return err
			}
		}
		changes, err = applyJudgement(ctx, tx, m.Name, m.UpdateTime, judge)
		return err
	})
	return changes, sqlkit.Fault(op, err)
}

func (s *monitors) DeleteMonitor(ctx context.Context, name string) error {
	const op = "store.DeleteMonitor"
	return sqlkit.Fault(op, s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) error {
		r, err := tx.ExecContext(ctx, `delete from monitors where name = $1`, name)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return notFound(op, name)
	}))
}

// some tells whether a query finds a row, on the read side. Loops ask it every
// second before they take the write side, which on SQLite there is one of.
func (s *monitors) some(ctx context.Context, query string, args ...any) (bool, error) {
	var one int
	err := s.db.QueryRowContext(ctx, query+` limit 1`, args...).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (s *monitors) ClaimDue(ctx context.Context, now, until time.Time, limit int) ([]string, error) {
	const op = "store.ClaimDue"
	due, err := s.some(ctx, `select 1 from monitors where refresh_us > 0 and next_refresh <= $1 and lease_until <= $1`, sqlkit.Micros(now))
	if err != nil || !due {
		return nil, sqlkit.Fault(op, err)
	}
	var names []string
	err = s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) (err error) {
		names, err = collect(ctx, tx, func(row scanner) (name string, err error) {
			err = row.Scan(&name)
			return name, err
		}, `update monitors set lease_until = $2 where name in (
				select name from monitors where refresh_us > 0 and next_refresh <= $1 and lease_until <= $1
				order by next_refresh, name limit $3)
			returning name`, sqlkit.Micros(now), sqlkit.Micros(until), limit)
		return err
	})
	return names, sqlkit.Fault(op, err)
}
