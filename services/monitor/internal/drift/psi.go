package drift

import "math"

// PSIEpsilon is the least share a bin counts with. A bin that one side never saw
// would make the index infinite; its share is raised to this, and the vector is
// not renormalised afterwards (the common credit-risk rule).
const PSIEpsilon = 1e-4

// PSI is a population stability index.
type PSI struct {
	Value float64
	// Expected is the index that sampling noise alone would give if nothing had
	// moved, (B−1)·(1/n_ref + 1/n_cur) over the B bins with any mass: with small
	// samples a PSI of 0.1 means nothing, and this number says when.
	Expected float64
	Bins     int // B
}

// PopulationStability computes Σ (q−p)·ln(q/p) over bins or categories given as
// counts, p the reference's shares and q the current ones, both with PSIEpsilon.
// 0.1 and 0.2 are the customary marks of a moderate and of a significant move.
func PopulationStability(ref, cur []int64) (PSI, error) {
	p, q, err := shares("population stability", ref, cur)
	if err != nil {
		return PSI{}, err
	}
	var out PSI
	var nRef, nCur int64
	for i := range p {
		if ref[i] == 0 && cur[i] == 0 {
			continue
		}
		nRef, nCur = nRef+ref[i], nCur+cur[i]
		out.Bins++
		a, b := math.Max(p[i], PSIEpsilon), math.Max(q[i], PSIEpsilon)
		out.Value += (b - a) * logRatio(b, a)
	}
	out.Expected = float64(out.Bins-1) * (1/float64(nRef) + 1/float64(nCur))
	return out, nil
}

// logRatio is log(b/a), by log1p where b is close to a.
func logRatio(b, a float64) float64 {
	if r := (b - a) / a; math.Abs(r) < 0.1 {
		return math.Log1p(r)
	}
	return math.Log(b / a)
}
