package drift

import (
	"fmt"
	"math"
)

// KolmogorovTwoSidedSF is P(D_n ≥ x) for the two-sided one-sample
// Kolmogorov–Smirnov statistic of n observations (n a positive whole number).
//
// No single formula is both fast and accurate, so the method is selected by n and
// n·x² as Simard & L'Ecuyer (2011, "Computing the Two-Sided Kolmogorov–Smirnov
// Distribution") tabulate it: closed forms at both ends (Ruben & Gambino 1982),
// twice Smirnov's one-sided tail where both sides cannot be exceeded at once or
// hardly ever are (Miller 1956), Durbin's matrix in the middle of small n
// (Marsaglia, Tsang & Wang 2003), and Pelz & Good's (1976) expansion for large n.
func KolmogorovTwoSidedSF(n, x float64) (float64, error) {
	if n < 1 || n != math.Trunc(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("kolmogorov distribution: %w: n = %g is not a positive whole number", ErrDomain, n)
	}
	if math.IsNaN(x) {
		return 0, fmt.Errorf("kolmogorov distribution: %w: x is NaN", ErrDomain)
	}
	return kolmogorovSF(n, x), nil
}

func kolmogorovSF(n, x float64) float64 {
	const small = 140 // the largest n for which the matrix is always cheap
	t := n * x
	switch {
	case t <= 0.5:
		return 1 // D_n is at least 1/(2n)
	case x >= 1:
		return 0
	case t <= 1:
		return 1 - math.Exp(logFactorialOverPower(n)+n*math.Log(2*t-1))
	case t >= n-1:
		return 2 * math.Exp(n*math.Log1p(-x))
	case x >= 0.5:
		return 2 * smirnovSF(n, x) // both tails at once need x < ½
	}
	z2 := t * x
	if n <= small {
		if z2 <= 4 {
			return 1 - durbinCDF(n, x)
		}
		return min(2*smirnovSF(n, x), 1)
	}
	switch {
	case z2 >= 370:
		return 0 // below 1e-320
	case z2 >= 2.2:
		return min(2*smirnovSF(n, x), 1)
	case n <= 100_000 && n*x*math.Sqrt(x) <= 1.4:
		return 1 - durbinCDF(n, x)
	default:
		return 1 - pelzGoodCDF(n, x)
	}
}

// logFactorialOverPower is log(n!/nⁿ).
func logFactorialOverPower(n float64) float64 {
	return 0.5*math.Log(2*math.Pi*n) - n + stirlingError(n)
}
