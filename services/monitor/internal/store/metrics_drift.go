package store

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// storedDrift is the JSON part of a drift row: every distance that was computed.
type storedDrift struct {
	KSStatistic      *float64 `json:"ks_statistic,omitempty"`
	KSPValue         *float64 `json:"ks_pvalue,omitempty"`
	ChiSquared       *float64 `json:"chi_squared_statistic,omitempty"`
	ChiSquaredPValue *float64 `json:"chi_squared_pvalue,omitempty"`
	JSDistance       *float64 `json:"js_distance,omitempty"`
	PSI              *float64 `json:"psi,omitempty"`
	Wasserstein      *float64 `json:"wasserstein,omitempty"`
	WassersteinNorm  *float64 `json:"wasserstein_normed,omitempty"`
	TVDistance       *float64 `json:"tv_distance,omitempty"`
	LInfinity        *float64 `json:"l_infinity,omitempty"`
	MeanDelta        *float64 `json:"mean_delta,omitempty"`
}

const driftColumns = `monitor, window_start, window_end, drift_type, column_name, data_type, cmp_start, cmp_end, n_ref, n_cur,
	effect_name, effect, p, p_adj, drifted, status, method, metrics, monitor_version`

func insertDrift(ctx context.Context, tx sqlkit.Tx, monitor string, rows []domain.DriftMetrics) error {
	values := make([][]any, 0, len(rows))
	for _, d := range rows {
		raw, err := encode(storedDrift{
			d.KSStatistic, d.KSPValue, d.ChiSquared, d.ChiSquaredPValue, d.JSDistance, d.PSI, d.Wasserstein, d.WassersteinNorm,
			d.TVDistance, d.LInfinity, d.MeanDelta,
		})
		if err != nil {
			return err
		}
		drifted := 0
		if d.Drifted {
			drifted = 1
		}
		values = append(values, []any{
			monitor, sqlkit.Micros(d.Window.Start), sqlkit.Micros(d.Window.End), d.Type, d.Column, string(d.Kind),
			sqlkit.Micros(d.WindowCmp.Start), sqlkit.Micros(d.WindowCmp.End), d.NRef, d.NCur, d.EffectName, d.Effect, d.P, d.PAdjusted,
			drifted, d.Status, d.Method, raw, d.MonitorVersion,
		})
	}
	return insertRows(ctx, tx, `drift_metrics (`+driftColumns+`)`, 19, values)
}

func scanDrift(row scanner) (domain.DriftMetrics, error) {
	var (
		d                               domain.DriftMetrics
		monitor, raw                    string
		start, end, cmpStart, cmpFinish int64
		drifted                         int
	)
	err := row.Scan(&monitor, &start, &end, &d.Type, &d.Column, &d.Kind, &cmpStart, &cmpFinish, &d.NRef, &d.NCur,
		&d.EffectName, &d.Effect, &d.P, &d.PAdjusted, &drifted, &d.Status, &d.Method, &raw, &d.MonitorVersion)
	if err != nil {
		return d, err
	}
	d.Window = domain.Window{Start: sqlkit.Time(start), End: sqlkit.Time(end)}
	d.WindowCmp = domain.Window{Start: sqlkit.Time(cmpStart), End: sqlkit.Time(cmpFinish)}
	d.Drifted = drifted == 1
	var s storedDrift
	if err := decode(raw, &s); err != nil {
		return d, err
	}
	d.KSStatistic, d.KSPValue, d.ChiSquared, d.ChiSquaredPValue = s.KSStatistic, s.KSPValue, s.ChiSquared, s.ChiSquaredPValue
	d.JSDistance, d.PSI, d.Wasserstein, d.WassersteinNorm = s.JSDistance, s.PSI, s.Wasserstein, s.WassersteinNorm
	d.TVDistance, d.LInfinity, d.MeanDelta = s.TVDistance, s.LInfinity, s.MeanDelta
	return d, nil
}

func (s *monitors) DriftMetrics(ctx context.Context, q domain.MetricsQuery) ([]domain.DriftMetrics, error) {
	where, args := metricsPage(q, `drift_type, column_name`, []any{q.After.Type, q.After.Column})
	out, err := collect(ctx, s.db, scanDrift, `select `+driftColumns+` from drift_metrics `+where, args...)
	return out, sqlkit.Fault("store.DriftMetrics", err)
}
