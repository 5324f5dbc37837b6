package store

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// storedProfile is the JSON part of a profile row.
type storedProfile struct {
	Distinct int64          `json:"distinct_count"`
	Numeric  *storedNumeric `json:"numeric,omitempty"`
	Frequent []storedItem   `json:"frequent_items,omitempty"`
	Errors   int64          `json:"errors,omitempty"`
}

type storedNumeric struct {
	Mean    float64 `json:"mean"`
	StdDev  float64 `json:"stddev"`
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	Median  float64 `json:"median"`
	P95     float64 `json:"p95"`
	P99     float64 `json:"p99"`
	Zeros   int64   `json:"num_zeros"`
	Invalid int64   `json:"num_invalid,omitempty"`
	Exact   bool    `json:"exact"`
}

type storedItem struct {
	Item  string `json:"item"`
	Count int64  `json:"count"`
}

const profileColumns = `monitor, window_start, window_end, log_type, slice_key, slice_value, column_name, data_type, row_count,
	num_nulls, metrics, monitor_version, table_version`

func insertProfile(ctx context.Context, tx sqlkit.Tx, monitor string, rows []domain.ProfileMetrics) error {
	values := make([][]any, 0, len(rows))
	for _, p := range rows {
		s := storedProfile{Distinct: p.Distinct, Errors: p.Errors}
		if p.Numeric != nil {
			n := storedNumeric(*p.Numeric)
			s.Numeric = &n
		}
		for _, f := range p.Frequent {
			s.Frequent = append(s.Frequent, storedItem(f))
		}
		raw, err := encode(s)
		if err != nil {
			return err
		}
		values = append(values, []any{
			monitor, sqlkit.Micros(p.Window.Start), sqlkit.Micros(p.Window.End), p.LogType, p.SliceKey, p.SliceValue, p.Column,
			string(p.Kind), p.Rows, p.Nulls, raw, p.MonitorVersion, p.TableVersion,
		})
	}
	return insertRows(ctx, tx, `profile_metrics (`+profileColumns+`)`, 13, values)
}

func scanProfile(row scanner) (domain.ProfileMetrics, error) {
	var (
		p             domain.ProfileMetrics
		monitor, raw  string
		start, finish int64
	)
	err := row.Scan(&monitor, &start, &finish, &p.LogType, &p.SliceKey, &p.SliceValue, &p.Column, &p.Kind, &p.Rows, &p.Nulls, &raw,
		&p.MonitorVersion, &p.TableVersion)
	if err != nil {
		return p, err
	}
	p.Window = domain.Window{Start: sqlkit.Time(start), End: sqlkit.Time(finish)}
	var s storedProfile
	if err := decode(raw, &s); err != nil {
		return p, err
	}
	p.Distinct, p.Errors = s.Distinct, s.Errors
	if s.Numeric != nil {
		n := domain.NumericProfile(*s.Numeric)
		p.Numeric = &n
	}
	for _, f := range s.Frequent {
		p.Frequent = append(p.Frequent, domain.FrequentItem(f))
	}
	return p, nil
}

func (s *monitors) ProfileMetrics(ctx context.Context, q domain.MetricsQuery) ([]domain.ProfileMetrics, error) {
	where, args := metricsPage(q, `log_type, slice_key, slice_value, column_name`,
		[]any{q.After.Type, q.After.SliceKey, q.After.SliceValue, q.After.Column})
	out, err := collect(ctx, s.db, scanProfile, `select `+profileColumns+` from profile_metrics `+where, args...)
	return out, sqlkit.Fault("store.ProfileMetrics", err)
}
