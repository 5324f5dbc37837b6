package drift

import (
	"fmt"
	"math"
	"sort"
)

// BenjaminiHochberg adjusts p-values so that rejecting those at or below q keeps
// the expected share of false rejections at q, for independent or positively
// dependent tests (Benjamini & Hochberg 1995). The order of the result is that of
// the argument.
func BenjaminiHochberg(p []float64) ([]float64, error) { return stepUp(p, 1) }

// BenjaminiYekutieli does the same under any dependence, at the price of the
// factor Σ1/i (Benjamini & Yekutieli 2001).
func BenjaminiYekutieli(p []float64) ([]float64, error) {
	var harmonic float64
	for i := range p {
		harmonic += 1 / float64(i+1)
	}
	return stepUp(p, harmonic)
}

func stepUp(p []float64, factor float64) ([]float64, error) {
	for i, v := range p {
		if !(v >= 0 && v <= 1) {
			return nil, fmt.Errorf("false discovery: %w: p-value %d is %v", ErrDomain, i, v)
		}
	}
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return p[order[a]] < p[order[b]] })
	out := make([]float64, len(p))
	least := 1.0
	for rank := len(order); rank >= 1; rank-- {
		i := order[rank-1]
		least = math.Min(least, p[i]*factor*float64(len(p))/float64(rank))
		out[i] = least
	}
	return out, nil
}
