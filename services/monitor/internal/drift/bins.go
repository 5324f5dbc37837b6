package drift

import (
	"fmt"
	"math"
	"sort"
)

// Bins cuts the real line at increasing edges into right-closed bins
// (−∞,e₁], (e₁,e₂], …, (e_k,+∞): one more bin than edges, and no value without one.
type Bins struct{ edges []float64 }

// FixedEdges makes bins from strictly increasing, finite edges, at least one.
func FixedEdges(edges ...float64) (Bins, error) {
	if len(edges) == 0 {
		return Bins{}, fmt.Errorf("bins: %w: no edges", ErrShape)
	}
	for i, e := range edges {
		if math.IsNaN(e) || math.IsInf(e, 0) {
			return Bins{}, fmt.Errorf("bins: %w: edge %d is not finite", ErrDomain, i)
		}
		if i > 0 && !(edges[i-1] < e) {
			return Bins{}, fmt.Errorf("bins: %w: edges %d and %d are not increasing", ErrShape, i-1, i)
		}
	}
	return Bins{edges: append([]float64(nil), edges...)}, nil
}

// ReferenceDeciles cuts at the nine deciles of the reference (Quantile's
// definition), so each bin holds about a tenth of it.
//
// A value that fills more than one decile would collapse its bins; it gets a bin
// of its own instead, so that a zero-inflated or constant reference still shows a
// move to either side. The number of bins therefore varies from 3 to 19.
func ReferenceDeciles(ref Sample) (Bins, error) {
	if ref.n < 1 {
		return Bins{}, tooFew("reference deciles", 0, 0, 1)
	}
	var edges []float64
	add := func(e float64) {
		if !math.IsInf(e, 0) && (len(edges) == 0 || edges[len(edges)-1] < e) {
			edges = append(edges, e)
		}
	}
	for i := 1; i <= 9; i++ {
		e := ref.Quantile(float64(i) / 10)
		if e == ref.Quantile(float64(i+1)/10) {
			add(math.Nextafter(e, math.Inf(-1)))
		}
		add(e)
	}
	return Bins{edges: edges}, nil
}

// N is the number of bins.
func (b Bins) N() int { return len(b.edges) + 1 }

// Edges gives a copy of the edges.
func (b Bins) Edges() []float64 { return append([]float64(nil), b.edges...) }

// Count gives the number of observations of s in each bin.
func (b Bins) Count(s Sample) []int64 {
	out := make([]int64, b.N())
	at := 0
	for i, x := range s.values {
		if at < len(b.edges) && x > b.edges[at] {
			at += sort.SearchFloat64s(b.edges[at:], x)
		}
		out[at] += s.counts[i]
	}
	return out
}
