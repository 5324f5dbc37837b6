package drift

import (
	"fmt"
	"math"
)

// KSMode chooses how the p-value of the two-sample test is computed.
type KSMode string

const (
	// KSAuto is exact while both samples hold at most KSExactLimit observations
	// and asymptotic above.
	KSAuto KSMode = "auto"
	// KSExact counts lattice paths. Where that would need more steps than a
	// 32-bit count of path positions allows it falls back to KSAsymptotic, and
	// the result says so.
	KSExact KSMode = "exact"
	// KSAsymptotic uses the one-sample distribution at the effective sample size.
	KSAsymptotic KSMode = "asymptotic"
)

// KSExactLimit is the largest sample for which KSAuto counts paths.
const KSExactLimit = 10_000

// KS is the outcome of a two-sample Kolmogorov–Smirnov test, two-sided.
type KS struct {
	D float64 // sup |F_ref − F_cur|; for binned samples its lower bound
	// DHigh is the upper bound of D. It equals D unless a sample was binned.
	DHigh    float64
	P        float64 // probability of at least D when both come from one continuous distribution
	Location float64 // the observation at which D is reached (the first of several)
	Sign     int     // +1: F_ref lies above F_cur at Location (current is larger), −1 below
	Mode     KSMode  // what was really used: KSExact or KSAsymptotic
	NRef     int64
	NCur     int64
}

// KolmogorovSmirnov compares two samples, each of at least one observation.
//
// D is exact: it is found in integers, as max |i·n_cur − j·n_ref| over the pooled
// values. The exact p counts lattice paths that leave the band (Hodges 1958, in
// the complementary recursion of Viehmann 2021, which keeps tiny p accurate); for
// equal sizes it is Gnedenko and Korolyuk's closed form. The asymptotic p is the
// finite-n one-sample distribution at round(n_ref·n_cur/(n_ref+n_cur)), see
// KolmogorovTwoSidedSF, which is closer than Kolmogorov's limit.
func KolmogorovSmirnov(ref, cur Sample, mode KSMode) (KS, error) {
	if ref.n < 1 || cur.n < 1 {
		return KS{}, tooFew("kolmogorov-smirnov", int(ref.n), int(cur.n), 1)
	}
	if ref.binned != cur.binned {
		return KS{}, fmt.Errorf("kolmogorov-smirnov: %w: one sample is binned, the other is not", ErrShape)
	}
	// Dividing by the gcd keeps every product below lcm, far from overflow.
	g := gcd(ref.n, cur.n)
	stepRef, stepCur := cur.n/g, ref.n/g // what one observation of each side moves the difference by
	lcm := float64(ref.n) * float64(stepRef)

	peak, high, location, sign := widestGap(ref, cur, stepRef, stepCur)
	out := KS{
		D: float64(peak) / lcm, DHigh: float64(high) / lcm,
		Location: location, Sign: sign, NRef: ref.n, NCur: cur.n,
	}

	out.Mode = KSAsymptotic
	switch mode {
	case KSAuto, "":
		if max(ref.n, cur.n) <= KSExactLimit {
			out.Mode = KSExact
		}
	case KSExact:
		if stepCur < math.MaxInt32/stepRef {
			out.Mode = KSExact
		}
	case KSAsymptotic:
	default:
		return KS{}, fmt.Errorf("kolmogorov-smirnov: %w: unknown mode %q", ErrDomain, mode)
	}
	if out.Mode == KSExact {
		out.P = pathsOutside(ref.n, cur.n, g, peak)
		return out, nil
	}
	m, n := float64(ref.n), float64(cur.n)
	effective := math.RoundToEven(m * n / (m + n))
	if effective < 1 {
		return KS{}, tooFew("kolmogorov-smirnov, asymptotic", int(ref.n), int(cur.n), 2)
	}
	p, err := KolmogorovTwoSidedSF(effective, out.D)
	if err != nil {
		return KS{}, err
	}
	out.P = min(max(p, 0), 1)
	return out, nil
}

// widestGap walks both samples in step. peak is the largest |F_ref − F_cur| after
// a value, in units of 1/lcm; high also counts what may happen inside a bucket,
// where all of one side's mass could come before all of the other's.
func widestGap(ref, cur Sample, stepRef, stepCur int64) (peak, high int64, location float64, sign int) {
	var gap int64
	for i, j := 0, 0; i < len(ref.values) || j < len(cur.values); {
		var up, down int64
		var x float64
		takeRef := j == len(cur.values) || (i < len(ref.values) && ref.values[i] <= cur.values[j])
		takeCur := i == len(ref.values) || (j < len(cur.values) && cur.values[j] <= ref.values[i])
		if takeRef {
			x, up = ref.values[i], ref.counts[i]*stepRef
			i++
		}
		if takeCur {
			x, down = cur.values[j], cur.counts[j]*stepCur
			j++
		}
		if ref.binned {
			high = max(high, abs(gap+up), abs(gap-down))
		}
		gap += up - down
		if abs(gap) > peak {
			peak, location, sign = abs(gap), x, 1
			if gap < 0 {
				sign = -1
			}
		}
	}
	return peak, max(peak, high), location, sign
}

func abs(x int64) int64 {
	if x < 0 {
		return -x
	}
	return x
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
