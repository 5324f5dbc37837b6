package drift

import (
	"fmt"
	"math"
)

// MinSpread is the least standard deviation by which a Wasserstein distance is
// normed, in the column's own units: a constant reference must not divide by zero.
const MinSpread = 0.001

// Wasserstein1 is the area between two distribution functions.
type Wasserstein1 struct {
	Distance float64 // in the column's units: how far the average observation moved
	Normed   float64 // Distance / max(population standard deviation of the reference, MinSpread)
}

// Wasserstein computes ∫|F_ref − F_cur| over the pooled values (Vallender 1974),
// the earth mover's distance of order one. Binned samples carry the error of
// their representatives, at most half a bucket's width.
func Wasserstein(ref, cur Sample) (Wasserstein1, error) {
	if ref.n < 1 || cur.n < 1 {
		return Wasserstein1{}, tooFew("wasserstein", int(ref.n), int(cur.n), 1)
	}
	if ref.binned != cur.binned {
		return Wasserstein1{}, fmt.Errorf("wasserstein: %w: one sample is binned, the other is not", ErrShape)
	}
	g := gcd(ref.n, cur.n)
	stepRef, stepCur := cur.n/g, ref.n/g
	lcm := float64(ref.n) * float64(stepRef)
	var gap int64
	var previous, area float64
	for i, j := 0, 0; i < len(ref.values) || j < len(cur.values); {
		x := math.Inf(1)
		if i < len(ref.values) {
			x = ref.values[i]
		}
		if j < len(cur.values) {
			x = math.Min(x, cur.values[j])
		}
		if gap != 0 {
			area += float64(abs(gap)) / lcm * (x - previous)
		}
		if i < len(ref.values) && ref.values[i] == x {
			gap += ref.counts[i] * stepRef
			i++
		}
		if j < len(cur.values) && cur.values[j] == x {
			gap -= cur.counts[j] * stepCur
			j++
		}
		previous = x
	}
	return Wasserstein1{Distance: area, Normed: area / math.Max(ref.StdDev(), MinSpread)}, nil
}
