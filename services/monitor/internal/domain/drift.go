package domain

// Kinds of comparisons.
const (
	DriftBaseline    = "BASELINE"    // with the baseline
	DriftConsecutive = "CONSECUTIVE" // with the window before
)

// What a comparison came to.
const (
	StatusOK             = "ok"
	StatusInsufficient   = "insufficient data" // too few values on a side: no number is given
	StatusConstant       = "constant"          // both sides hold one and the same value
	StatusInsideBaseline = "inside baseline"   // the window's rows are the baseline's own
)

// The effect that must be large enough for drift, and how large. A p-value alone
// cannot decide: with enough rows every difference is significant.
const (
	EffectNumeric          = "wasserstein_normed"
	EffectNumericLeast     = 0.1 // a tenth of the baseline's standard deviation
	EffectCategorical      = "js_distance"
	EffectCategoricalLeast = 0.1 // natural logarithm, of at most 0.8326
)

// DriftMetrics compares one column of one window with a reference. Numbers that
// were not computed, because of kind or Status, are nil.
type DriftMetrics struct {
	Window     Window
	WindowCmp  Window // the reference's
	Type       string
	Column     string
	Kind       ColumnKind
	NRef, NCur int64 // values compared: nulls left out

	KSStatistic, KSPValue        *float64 // numeric
	ChiSquared, ChiSquaredPValue *float64 // categorical
	JSDistance, PSI              *float64
	Wasserstein, WassersteinNorm *float64 // numeric
	TVDistance, LInfinity        *float64 // categorical
	MeanDelta                    *float64 // numeric, current − reference
	P, PAdjusted                 *float64 // the test's p, before and after Benjamini–Hochberg
	EffectName                   string
	Effect                       *float64
	Drifted                      bool
	Status                       string
	Method                       string // in words, for auditors
	MonitorVersion               int64
}

// Decide settles Drifted from the adjusted p and the effect: it takes both.
func (m *DriftMetrics) Decide(fdr float64) {
	least := EffectNumericLeast
	if m.Kind == Categorical {
		least = EffectCategoricalLeast
	}
	m.Drifted = m.PAdjusted != nil && m.Effect != nil && *m.PAdjusted < fdr && *m.Effect >= least
}

// Metric gives a metric by the name that thresholds use, nil when it was not
// computed.
func (m DriftMetrics) Metric(name string) *float64 {
	switch name {
	case "ks_statistic":
		return m.KSStatistic
	case "ks_pvalue":
		return m.KSPValue
	case "chi_squared_statistic":
		return m.ChiSquared
	case "chi_squared_pvalue":
		return m.ChiSquaredPValue
	case "js_distance":
		return m.JSDistance
	case "psi":
		return m.PSI
	case "wasserstein":
		return m.Wasserstein
	case "wasserstein_normed":
		return m.WassersteinNorm
	case "tv_distance":
		return m.TVDistance
	case "l_infinity":
		return m.LInfinity
	case "mean_delta":
		return m.MeanDelta
	case "p_adjusted":
		return m.PAdjusted
	case "effect":
		return m.Effect
	}
	return nil
}
