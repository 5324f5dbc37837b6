package profile

import (
	"math"
	"math/bits"
)

// registers is HyperLogLog with 2¹⁴ registers (Flajolet et al. 2007): 16 KiB, a
// standard error of 0.81 %, merged exactly by taking maxima. The estimate is
// Ertl's (2017) improved raw estimator, which needs no bias tables and no switch
// to linear counting.
type registers [1 << registerBits]uint8

const registerBits = 14

// add notes one hashed value.
func (r *registers) add(hash uint64) {
	i := hash >> (64 - registerBits)
	// One guard bit ends the run of zeros, so the rank is at most 51.
	rank := uint8(bits.LeadingZeros64(hash<<registerBits|1<<(registerBits-1)) + 1)
	if rank > r[i] {
		r[i] = rank
	}
}

func (r *registers) merge(other *registers) {
	for i, v := range other {
		r[i] = max(r[i], v)
	}
}

func (r *registers) estimate() int64 {
	const q = 64 - registerBits
	var multiplicity [q + 2]float64
	for _, v := range r {
		multiplicity[v]++
	}
	const m = float64(1 << registerBits)
	z := m * tau(1-multiplicity[q+1]/m)
	for k := q; k >= 1; k-- {
		z = 0.5 * (z + multiplicity[k])
	}
	z += m * sigma(multiplicity[0]/m)
	return int64(math.Round(m * m / (2 * math.Ln2) / z))
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x *= x
		next := z + x*y
		if next == z {
			return z
		}
		z, y = next, 2*y
	}
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		y *= 0.5
		next := z - (1-x)*(1-x)*y
		if next == z {
			return z / 3
		}
		z = next
	}
}

// hashText hashes a text (FNV-1a, then mixed). Stored estimates depend on it: it
// must never change.
func hashText(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h ^= uint64(s[i])
		h *= 1099511628211
	}
	return mix(h)
}

func hashFloat(x float64) uint64 { return mix(math.Float64bits(x) + 0x9e3779b97f4a7c15) }
