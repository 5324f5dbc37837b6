package drift

import "math"

// JS is the Jensen–Shannon distance: the square root of the divergence (Lin 1991;
// a metric by Endres & Schindelin 2003).
type JS struct {
	Nats  float64 // natural logarithm, 0 … √ln 2 ≈ 0.8326
	Base2 float64 // logarithm to base 2, 0 … 1
}

// JensenShannon compares two vectors of weights over the same categories. No zero
// is filled in: a category one side never saw contributes its finite share.
func JensenShannon[W Weight](ref, cur []W) (JS, error) {
	p, q, err := shares("jensen-shannon", ref, cur)
	if err != nil {
		return JS{}, err
	}
	sumRef, sumCur := sum(ref), sum(cur)
	var divergence float64
	for i := range p {
		if p[i]+q[i] == 0 {
			continue
		}
		// (p−q)/(p+q) from the raw weights: their shares are rounded already, and
		// of two nearly equal ones only the rounding would be left.
		a, b := float64(ref[i])/scaleOf(sumRef), float64(cur[i])/scaleOf(sumCur)
		s, t := sumRef/scaleOf(sumRef), sumCur/scaleOf(sumCur)
		u := differenceOfProducts(a, t, b, s) / (a*t + b*s)
		divergence += (p[i] + q[i]) / 4 * unevenness(u)
	}
	return JS{Nats: math.Sqrt(divergence), Base2: math.Sqrt(divergence / math.Ln2)}, nil
}

func sum[W Weight](v []W) (total float64) {
	for _, w := range v {
		total += float64(w)
	}
	return total
}

// scaleOf is the power of two at or below x: dividing by it is exact and keeps
// products of weights from under- and overflowing.
func scaleOf(x float64) float64 {
	_, e := math.Frexp(x)
	return math.Ldexp(1, e-1)
}

// differenceOfProducts is a·b − c·d with one rounding error instead of the three
// that cancel into noise (Kahan, by fused multiply–add).
func differenceOfProducts(a, b, c, d float64) float64 {
	cd := c * d
	lost := math.FMA(-c, d, cd)
	return math.FMA(a, b, -cd) + lost
}

// unevenness is (1+u)·log(1+u) + (1−u)·log(1−u) for |u| ≤ 1, by its even power
// series Σ u^{2k}/(k(2k−1)) near zero, where the two halves would cancel: two
// nearly equal distributions are the common case.
func unevenness(u float64) float64 {
	u = math.Abs(u)
	if u >= 1 {
		return 2 * math.Ln2
	}
	if u > 0.25 {
		return (1+u)*math.Log1p(u) + (1-u)*math.Log1p(-u)
	}
	u2 := u * u
	var sum float64
	power := u2
	for k := 1.0; ; k++ {
		next := sum + power/(k*(2*k-1))
		if next == sum {
			return sum
		}
		sum, power = next, power*u2
	}
}

// TotalVariation is ½·Σ|p−q|: the largest difference in probability that any set
// of categories can show, 0 … 1.
func TotalVariation[W Weight](ref, cur []W) (float64, error) {
	p, q, err := shares("total variation", ref, cur)
	if err != nil {
		return 0, err
	}
	var sum float64
	for i := range p {
		sum += math.Abs(p[i] - q[i])
	}
	return math.Min(1, sum/2), nil
}

// LInfinity is max|p−q|: the largest change of one category's share, 0 … 1.
func LInfinity[W Weight](ref, cur []W) (float64, error) {
	p, q, err := shares("l-infinity", ref, cur)
	if err != nil {
		return 0, err
	}
	var top float64
	for i := range p {
		top = math.Max(top, math.Abs(p[i]-q[i]))
	}
	return top, nil
}
