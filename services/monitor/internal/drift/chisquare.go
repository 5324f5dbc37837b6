package drift

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
)

// CochranMinimum is the least expected count under which a χ² cell is too small
// for the approximation (Cochran 1954).
const CochranMinimum = 5

// OtherCategory names the cell into which small categories are pooled.
const OtherCategory = "__other__"

// ChiSquare is the outcome of a test of two frequency tables for homogeneity.
type ChiSquare struct {
	Statistic float64
	DOF       int
	P         float64
	// Yates says that the continuity correction was applied (one degree of freedom).
	Yates bool
	// Fisher says that P is Fisher's exact probability: there were two categories
	// and a cell too small for χ².
	Fisher bool
	// Pooled names the categories that were merged into OtherCategory, smallest last.
	Pooled []string
}

// ChiSquareContingency tests whether two count vectors over the same categories
// come from one distribution: Pearson's χ² on the 2×k table, both rows random.
// Comparing the current counts with the reference as if it were the truth would
// ignore the reference's own noise. With one degree of freedom Yates' correction
// moves each cell by at most ½ toward its expectation. Categories that neither
// side saw do not count; with only one left, P is 1.
func ChiSquareContingency(ref, cur []int64) (ChiSquare, error) {
	r, c, nRef, nCur, err := occupied("chi-squared", ref, cur)
	if err != nil {
		return ChiSquare{}, err
	}
	out := ChiSquare{DOF: len(r) - 1, Yates: len(r) == 2, P: 1}
	if out.DOF == 0 {
		return out, nil
	}
	total := nRef + nCur
	for i := range r {
		column := r[i] + c[i]
		// Both cells of a column miss their expectation by the same amount.
		off := math.Abs(difference(r[i], total, nRef, column))
		if out.Yates {
			off -= math.Min(0.5, off)
		}
		out.Statistic += off*off/(float64(nRef)*float64(column)/float64(total)) +
			off*off/(float64(nCur)*float64(column)/float64(total))
	}
	out.P = ChiSquareSF(out.Statistic, float64(out.DOF))
	return out, nil
}

// difference is observed − row·column/total. The numerator is formed in integers
// where they fit, because a table close to independence cancels almost fully.
func difference(observed, total, row, column int64) float64 {
	const safe = 1 << 31
	if total < safe {
		return float64(observed*total-row*column) / float64(total)
	}
	return float64(observed) - float64(row)*float64(column)/float64(total)
}

// ChiSquareSF is P(X ≥ x) for χ² with dof degrees of freedom.
func ChiSquareSF(x, dof float64) float64 {
	if x <= 0 {
		return 1
	}
	return mathext.GammaIncRegComp(dof/2, x/2)
}

// ChiSquareCategories is ChiSquareContingency with a remedy for small cells:
// names must be in Align's order, and categories are pooled from the tail into
// OtherCategory until every expected count reaches CochranMinimum. If that leaves
// a single cell, the two largest parts (the top category against the rest) are
// judged by Fisher's exact test instead.
func ChiSquareCategories(names []string, ref, cur []int64) (ChiSquare, error) {
	if len(names) != len(ref) || len(names) != len(cur) {
		return ChiSquare{}, fmt.Errorf("chi-squared: %w: %d names, %d and %d counts", ErrShape, len(names), len(ref), len(cur))
	}
	_, _, nRef, nCur, err := occupied("chi-squared", ref, cur)
	if err != nil {
		return ChiSquare{}, err
	}
	smaller := float64(min(nRef, nCur)) / float64(nRef+nCur)
	keep := len(names)
	var restRef, restCur int64
	short := func(n int64) bool { return float64(n)*smaller < CochranMinimum }
	for keep > 0 {
		last := ref[keep-1] + cur[keep-1]
		rest := restRef + restCur
		if !short(last) && (rest == 0 || !short(rest)) {
			break
		}
		keep--
		restRef, restCur = restRef+ref[keep], restCur+cur[keep]
	}
	pooled := append([]string(nil), names[keep:]...)
	if keep >= 1 {
		r, c := append([]int64(nil), ref[:keep]...), append([]int64(nil), cur[:keep]...)
		if restRef+restCur > 0 {
			r, c = append(r, restRef), append(c, restCur)
		}
		out, err := ChiSquareContingency(r, c)
		if len(pooled) > 1 { // a single small category pooled alone is itself
			out.Pooled = pooled
		}
		return out, err
	}
	// Everything is small: 2×2, exact.
	out := ChiSquare{P: 1, Fisher: true}
	if len(names) > 2 {
		out.Pooled = pooled[1:]
	}
	if len(names) < 2 || nRef == ref[0] && nCur == cur[0] {
		return out, nil
	}
	out.DOF = 1
	out.P, err = FisherExact(ref[0], nRef-ref[0], cur[0], nCur-cur[0])
	return out, err
}

// occupied drops categories without mass on either side and checks the rest.
func occupied(what string, ref, cur []int64) (r, c []int64, nRef, nCur int64, err error) {
	if len(ref) != len(cur) {
		return nil, nil, 0, 0, fmt.Errorf("%s: %w: reference has %d categories, current has %d", what, ErrShape, len(ref), len(cur))
	}
	for i := range ref {
		if ref[i] < 0 || cur[i] < 0 {
			return nil, nil, 0, 0, fmt.Errorf("%s: %w: category %d has a negative count", what, ErrDomain, i)
		}
		if ref[i]+cur[i] > 0 {
			r, c = append(r, ref[i]), append(c, cur[i])
			nRef, nCur = nRef+ref[i], nCur+cur[i]
		}
	}
	if nRef == 0 || nCur == 0 {
		return nil, nil, 0, 0, tooFew(what, int(nRef), int(nCur), 1)
	}
	return r, c, nRef, nCur, nil
}
