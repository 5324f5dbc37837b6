package flow

import (
	"fmt"
	"math"
	"slices"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/drift"
	"github.com/slipway-ai/slipway/services/monitor/internal/profile"
)

// comparison is one reference against one window.
type comparison struct {
	kind      string // domain.DriftBaseline or domain.DriftConsecutive
	refWindow domain.Window
	ref       *profile.Profile
	cur       *collected
}

// compare computes every watched column's drift and decides. The p-values of one
// comparison are one family: Benjamini–Hochberg runs over the columns that were
// tested, so that watching twenty columns does not raise an alarm a day by chance.
func compare(c comparison, m domain.Monitor) ([]domain.DriftMetrics, error) {
	var out []domain.DriftMetrics
	for _, name := range slices.Sorted(slices.Values(m.Columns)) {
		kind, known := domain.ColumnKindOf(name)
		if !known {
			continue // a column of an older program's monitor
		}
		d := domain.DriftMetrics{
			Window: c.cur.window, WindowCmp: c.refWindow, Type: c.kind, Column: name, Kind: kind, MonitorVersion: m.Version,
		}
		var err error
		if kind == domain.Numeric {
			err = compareNumeric(&d, c.ref.Numeric(name), c.cur.all.Numeric(name), m.MinRows)
		} else {
			err = compareCategorical(&d, c.ref.Categorical(name), c.cur.all.Categorical(name), m.MinRows)
		}
		if err != nil {
			return nil, fault.Wrap("monitor.compare", fault.Internal, err, "internal error")
		}
		out = append(out, d)
	}
	return out, decide(out, m.FDR)
}

// insideBaseline is what is said of a window that the baseline is made of.
func insideBaseline(w *collected, m domain.Monitor) []domain.DriftMetrics {
	var out []domain.DriftMetrics
	for _, name := range slices.Sorted(slices.Values(m.Columns)) {
		kind, _ := domain.ColumnKindOf(name)
		out = append(out, domain.DriftMetrics{
			Window: w.window, WindowCmp: m.Baseline, Type: domain.DriftBaseline, Column: name, Kind: kind,
			Status: domain.StatusInsideBaseline, MonitorVersion: m.Version,
		})
	}
	return out
}

func decide(rows []domain.DriftMetrics, fdr float64) error {
	var tested []int
	var ps []float64
	for i, d := range rows {
		if d.P != nil {
			tested, ps = append(tested, i), append(ps, *d.P)
		}
	}
	adjusted, err := drift.BenjaminiHochberg(ps)
	if err != nil {
		return fault.Wrap("monitor.decide", fault.Internal, err, "internal error")
	}
	for k, i := range tested {
		rows[i].PAdjusted = finite(adjusted[k])
		rows[i].Decide(fdr)
	}
	return nil
}

// finite is a pointer to v, nil when v is no number that can be stored.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func compareNumeric(d *domain.DriftMetrics, ref, cur *profile.Numeric, minRows int) error {
	d.EffectName = domain.EffectNumeric
	if ref == nil || cur == nil {
		d.Status = domain.StatusInsufficient
		return nil
	}
	d.NRef, d.NCur = ref.Count(), cur.Count()
	if min(d.NRef, d.NCur) < int64(max(minRows, 2)) {
		d.Status = domain.StatusInsufficient
		return nil
	}
	a, b, err := profile.Samples(ref, cur)
	if err != nil {
		return err
	}
	ks, err := drift.KolmogorovSmirnov(a, b, drift.KSAuto)
	if err != nil {
		return err
	}
	w, err := drift.Wasserstein(a, b)
	if err != nil {
		return err
	}
	bins, err := drift.ReferenceDeciles(a)
	if err != nil {
		return err
	}
	inRef, inCur := bins.Count(a), bins.Count(b)
	js, err := drift.JensenShannon(inRef, inCur)
	if err != nil {
		return err
	}
	psi, err := drift.PopulationStability(inRef, inCur)
	if err != nil {
		return err
	}
	d.KSStatistic, d.KSPValue = finite(ks.D), finite(ks.P)
	d.Wasserstein, d.WassersteinNorm = finite(w.Distance), finite(w.Normed)
	d.JSDistance, d.PSI = finite(js.Nats), finite(psi.Value)
	d.MeanDelta = finite(cur.Mean() - ref.Mean())
	d.Effect = d.WassersteinNorm
	distance := "D exact"
	if a.Binned() {
		distance = fmt.Sprintf("D in [%.4g, %.4g] by log-linear histogram", ks.D, ks.DHigh)
	}
	d.Method = fmt.Sprintf("KS two-sample, p %s, %s; W1 over σ of the baseline; JS (nats) and PSI (ε %g, by chance %.3g) on %d reference-decile bins",
		ks.Mode, distance, drift.PSIEpsilon, psi.Expected, bins.N())
	if ref.Distinct() == 1 && cur.Distinct() == 1 && ref.Min() == cur.Min() {
		// No test can say anything about two equal constants: they are no member of
		// the family that the correction counts.
		d.Status = domain.StatusConstant
		return nil
	}
	d.Status, d.P = domain.StatusOK, d.KSPValue
	return nil
}

func compareCategorical(d *domain.DriftMetrics, ref, cur *profile.Categorical, minRows int) error {
	d.EffectName = domain.EffectCategorical
	if ref == nil || cur == nil {
		d.Status = domain.StatusInsufficient
		return nil
	}
	d.NRef, d.NCur = ref.Count(), cur.Count()
	if min(d.NRef, d.NCur) < int64(max(minRows, 2)) {
		d.Status = domain.StatusInsufficient
		return nil
	}
	names, r, c := drift.Align(ref.Table(drift.OtherCategory), cur.Table(drift.OtherCategory))
	chi, err := drift.ChiSquareCategories(names, r, c)
	if err != nil {
		return err
	}
	js, err := drift.JensenShannon(r, c)
	if err != nil {
		return err
	}
	psi, err := drift.PopulationStability(r, c)
	if err != nil {
		return err
	}
	tv, err := drift.TotalVariation(r, c)
	if err != nil {
		return err
	}
	linf, err := drift.LInfinity(r, c)
	if err != nil {
		return err
	}
	d.ChiSquaredPValue = finite(chi.P)
	if !chi.Fisher {
		d.ChiSquared = finite(chi.Statistic)
	}
	d.JSDistance, d.PSI, d.TVDistance, d.LInfinity = finite(js.Nats), finite(psi.Value), finite(tv), finite(linf)
	d.Effect = d.JSDistance
	d.Method = describeChi(chi) + fmt.Sprintf("; JS (nats), PSI (ε %g, by chance %.3g), TV and L∞ over %d categories", drift.PSIEpsilon, psi.Expected, len(names))
	if ref.Slack()+cur.Slack() > 0 {
		d.Method += fmt.Sprintf("; rare categories pooled, counts low by at most %d and %d", ref.Slack(), cur.Slack())
	}
	if len(names) == 1 {
		d.Status = domain.StatusConstant
		return nil
	}
	d.Status, d.P = domain.StatusOK, d.ChiSquaredPValue
	return nil
}

func describeChi(chi drift.ChiSquare) string {
	text := fmt.Sprintf("χ² contingency, %d dof", chi.DOF)
	switch {
	case chi.Fisher:
		text = "Fisher's exact test, two-sided"
	case chi.Yates:
		text += ", Yates"
	}
	if n := len(chi.Pooled); n > 0 {
		text += fmt.Sprintf(", %d small categories pooled", n)
	}
	return text
}
