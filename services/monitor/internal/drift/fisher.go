package drift

import (
	"fmt"
	"math"
)

// FisherExact is the two-sided probability of a 2×2 table [[a,b],[c,d]] given its
// margins (Fisher 1934): the summed chance of all tables no likelier than this one.
func FisherExact(a, b, c, d int64) (float64, error) {
	if a < 0 || b < 0 || c < 0 || d < 0 {
		return 0, fmt.Errorf("fisher: %w: negative count", ErrDomain)
	}
	row, column, total := a+b, a+c, a+b+c+d
	if total == 0 || row == 0 || column == 0 || row == total || column == total {
		return 1, nil
	}
	first, last := max(0, row+column-total), min(row, column)
	observed := logHypergeometric(a, row, column, total)
	// Tables that tie with the observed one in exact arithmetic must count as no
	// likelier, whatever the last digits say.
	const slack = 1e-10
	var p float64
	for k := first; k <= last; k++ {
		if l := logHypergeometric(k, row, column, total); l <= observed+slack {
			p += math.Exp(l)
		}
	}
	return math.Min(1, p), nil
}

// logHypergeometric is the log chance of k in the corner of a table with the
// given margins, as a ratio of binomials that all share the success chance
// row/total (Loader 2000), which keeps the digits that log-gammas would drop.
func logHypergeometric(k, row, column, total int64) float64 {
	p := float64(row) / float64(total)
	q := float64(total-row) / float64(total)
	return logBinomial(k, column, p, q) + logBinomial(row-k, total-column, p, q) - logBinomial(row, total, p, q)
}

// logBinomial is log P(k successes of n), chance p, q = 1 − p.
func logBinomial(k, n int64, p, q float64) float64 {
	x, size := float64(k), float64(n)
	switch k {
	case 0:
		return size * math.Log(q)
	case n:
		return size * math.Log(p)
	}
	rest := size - x
	return stirlingError(size) - stirlingError(x) - stirlingError(rest) -
		x*lagOfLog1p(size*p/x-1) - rest*lagOfLog1p(size*q/rest-1) +
		0.5*math.Log(size/(2*math.Pi*x*rest))
}
