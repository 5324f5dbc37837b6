package drift

import "math"

// pelzGoodCDF is P(D_n < x) by the expansion of Pelz & Good (1976) in powers of
// n^(−1/2): Kolmogorov's limit K₀ and three corrections, with z = √n·x,
//
//	K₀(z) + K₁(z)/√n + K₂(z)/n + K₃(z)/n^{3/2}.
//
// In the form of Simard & L'Ecuyer (2011, eq. 12–16) every K is a theta-like series
// whose terms fall as exp(−π²k²/2z²): a handful suffices for the z < 1.5 this is
// called with.
func pelzGoodCDF(n, x float64) float64 {
	rootN := math.Sqrt(n)
	z := rootN * x
	z2 := z * z
	z4 := z2 * z2
	z6 := z4 * z2
	const pi2 = math.Pi * math.Pi
	const pi4 = pi2 * pi2
	const pi6 = pi4 * pi2

	// Sums over the half-integers k+½, k ≥ 0, which stand for both signs, and over
	// the integers k ≥ 1; the factors below double what the paper sums over all k.
	var s0, s1, s2, s3, t2, t3 float64
	for k := 0; k < 60; k++ {
		half := float64(k) + 0.5
		h2 := half * half
		e := math.Exp(-pi2 * h2 / (2 * z2))
		s0 += e
		s1 += (pi2*h2 - z2) * e
		s2 += (6*z6 + 2*z4 + pi2*h2*(2*z4-5*z2) + pi4*h2*h2*(1-2*z2)) * e
		s3 += (pi6*h2*h2*h2*(5-30*z2) + pi4*h2*h2*(-60*z2+212*z4) +
			pi2*h2*(135*z4-96*z6) - (30*z6 + 90*z4*z4)) * e
		w := float64(k + 1)
		w2 := w * w
		f := math.Exp(-pi2 * w2 / (2 * z2))
		t2 += pi2 * w2 * f
		t3 += (3*pi2*w2*z2 - pi4*w2*w2) * f
		if e == 0 {
			break
		}
	}
	rootHalfPi := math.Sqrt(math.Pi / 2)
	k0 := math.Sqrt(2*math.Pi) / z * s0
	k1 := 2 * rootHalfPi / (6 * z4) * s1
	k2 := 2*rootHalfPi/(72*z6*z)*s2 - 2*rootHalfPi/(36*z2*z)*t2
	k3 := 2*rootHalfPi/(6480*z6*z4)*s3 + rootHalfPi/(108*z6)*t3
	return math.Min(1, math.Max(0, k0+k1/rootN+k2/n+k3/(n*rootN)))
}
