package drift

import (
	"fmt"
	"math"
	"sort"
)

// Weight is what a vector over categories may hold: counts, or masses that need
// not sum to one.
type Weight interface{ ~int64 | ~float64 }

// shares divides both vectors by their sums.
func shares[W Weight](what string, ref, cur []W) (p, q []float64, err error) {
	if len(ref) != len(cur) {
		return nil, nil, fmt.Errorf("%s: %w: reference has %d categories, current has %d", what, ErrShape, len(ref), len(cur))
	}
	if p, err = normalise(what, ref); err != nil {
		return nil, nil, err
	}
	if q, err = normalise(what, cur); err != nil {
		return nil, nil, err
	}
	return p, q, nil
}

func normalise[W Weight](what string, v []W) ([]float64, error) {
	var sum float64
	for i, w := range v {
		f := float64(w)
		if !(f >= 0) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("%s: %w: weight %d is %v", what, ErrDomain, i, w)
		}
		sum += f
	}
	if math.IsInf(sum, 0) {
		return nil, fmt.Errorf("%s: %w: the weights' sum overflows", what, ErrDomain)
	}
	if sum == 0 {
		return nil, fmt.Errorf("%s: %w: a vector has no mass", what, ErrTooFew)
	}
	p := make([]float64, len(v))
	for i, w := range v {
		p[i] = float64(w) / sum
	}
	return p, nil
}

// Align turns two frequency tables into two vectors over the union of their keys.
// The order is by pooled count, largest first, then by name, so that it does not
// depend on map order and small categories come last.
func Align(ref, cur map[string]int64) (names []string, r, c []int64) {
	names = make([]string, 0, len(ref))
	for name := range ref {
		names = append(names, name)
	}
	for name := range cur {
		if _, both := ref[name]; !both {
			names = append(names, name)
		}
	}
	sort.Slice(names, func(i, j int) bool {
		a, b := ref[names[i]]+cur[names[i]], ref[names[j]]+cur[names[j]]
		if a != b {
			return a > b
		}
		return names[i] < names[j]
	})
	for _, name := range names {
		r, c = append(r, ref[name]), append(c, cur[name])
	}
	return names, r, c
}
