package drift

import "math"

// smirnovLargest is the sample size above which the sum of n terms gives way to
// Maag & Dicaire's (1971) closed approximation, good to better than 1/n.
const smirnovLargest = 1_000_000

// smirnovSF is Smirnov's one-sided tail P(D⁺_n ≥ x), 0 < x < 1:
//
//	Σ_{j=0}^{⌊n(1−x)⌋} C(n,j) · x · (x + j/n)^{j−1} · (1 − x − j/n)^{n−j}
//
// (Birnbaum & Tingey 1951). Each term is x/(x+j/n) times the binomial probability
// of j successes of chance x + j/n, and Loader's (2000) saddle-point form of that
// probability is a short sum of small, same-signed numbers. Gamma functions of n
// would lose log10(n) digits here; this loses none.
func smirnovSF(n, x float64) float64 {
	if n > smirnovLargest {
		u := 6*n*x + 1
		return math.Exp(-u * u / (18 * n))
	}
	last := math.Floor(n * (1 - x))
	logTerm := smirnovLogTerm(n, x)
	sum := math.Exp(n * math.Log1p(-x)) // j = 0
	// The terms rise to one top and fall: walk outwards from there and stop when
	// what remains cannot matter.
	middle := top(last, logTerm)
	for j := middle; j >= 1; j-- {
		v := math.Exp(logTerm(j))
		sum += v
		if v*j < sum*1e-18 {
			break
		}
	}
	for j := middle + 1; j <= last; j++ {
		v := math.Exp(logTerm(j))
		sum += v
		if v*(last-j) < sum*1e-18 {
			break
		}
	}
	return math.Min(sum, 1)
}

// top finds the j in 1…last at which a sequence that rises and then falls is
// largest, by ternary search.
func top(last float64, f func(float64) float64) float64 {
	lo, hi := 1.0, last
	for hi-lo > 2 {
		third := math.Floor((hi - lo) / 3)
		if a, b := lo+third, hi-third; f(a) < f(b) {
			lo = a
		} else {
			hi = b
		}
	}
	return math.Floor((lo + hi) / 2)
}

// smirnovLogTerm gives the logarithm of the j-th term, 1 ≤ j ≤ n(1−x).
func smirnovLogTerm(n, x float64) func(j float64) float64 {
	t := n * x
	head := stirlingError(n) + 0.5*math.Log(n/(2*math.Pi)) + math.Log(t)
	return func(j float64) float64 {
		rest := n - j
		if rest <= t {
			return math.Inf(-1) // the failure chance is zero
		}
		deviance := j*lagOfLog1p(t/j) + rest*lagOfLog1p(-t/rest)
		scale := (t + j) * math.Sqrt(j*rest)
		return head - math.Log(scale) - stirlingError(j) - stirlingError(rest) - deviance
	}
}

// stirlingError is log(n!) − log(√(2πn)·(n/e)ⁿ) for whole n ≥ 1.
func stirlingError(n float64) float64 {
	if n <= 15 {
		factorial := 1.0
		for k := 2.0; k <= n; k++ {
			factorial *= k // exact up to 15!
		}
		return math.Log(factorial) - (n+0.5)*math.Log(n) + n - 0.5*math.Log(2*math.Pi)
	}
	i := 1 / n
	i2 := i * i
	return i * (1./12 - i2*(1./360-i2*(1./1260-i2*(1./1680-i2*(1./1188-i2*691./360360)))))
}

// lagOfLog1p is u − log(1+u) ≥ 0 for u > −1, accurate near zero where the
// difference would cancel.
func lagOfLog1p(u float64) float64 {
	if u < -0.3 || u > 0.45 {
		return u - math.Log1p(u)
	}
	// log(1+u) = 2·atanh(r) with r = u/(2+u); u = 2r/(1−r), so
	// u − log(1+u) = r·u − 2·(r³/3 + r⁵/5 + …).
	r := u / (2 + u)
	r2 := r * r
	var series float64
	power := r2
	for k := 3.0; ; k += 2 {
		next := series + power/k
		if next == series {
			break
		}
		series = next
		power *= r2
	}
	return r * (u - 2*series)
}
