package profile

import (
	"math"
	"slices"
)

// tally counts distinct floats: an open-addressing table keyed by the value's
// bits. A profile adds hundreds of millions of values, and this costs a third of
// what a Go map does. Zero bits with a zero count mark a free slot, so the value 0
// needs no special place.
type tally struct {
	keys   []uint64
	counts []int64
	used   int
}

func newTally() *tally { return &tally{keys: make([]uint64, 16), counts: make([]int64, 16)} }

// add counts n more of x, which must be finite and not −0.
func (t *tally) add(x float64, n int64) {
	if t.used*2 >= len(t.keys) {
		t.grow()
	}
	i := t.slot(math.Float64bits(x))
	if t.counts[i] == 0 {
		t.keys[i] = math.Float64bits(x)
		t.used++
	}
	t.counts[i] += n
}

func (t *tally) slot(bits uint64) int {
	mask := len(t.keys) - 1
	i := int(mix(bits)) & mask
	for t.counts[i] != 0 && t.keys[i] != bits {
		i = (i + 1) & mask
	}
	return i
}

func (t *tally) grow() {
	old := *t
	t.keys = make([]uint64, 2*len(old.keys))
	t.counts = make([]int64, 2*len(old.counts))
	for i, c := range old.counts {
		if c != 0 {
			j := t.slot(old.keys[i])
			t.keys[j], t.counts[j] = old.keys[i], c
		}
	}
}

// each visits every value, in no particular order.
func (t *tally) each(visit func(x float64, n int64)) {
	for i, c := range t.counts {
		if c != 0 {
			visit(math.Float64frombits(t.keys[i]), c)
		}
	}
}

// runs gives the values in increasing order, with their counts.
func (t *tally) runs() (values []float64, counts []int64) {
	type run struct {
		x float64
		n int64
	}
	sorted := make([]run, 0, t.used)
	t.each(func(x float64, n int64) { sorted = append(sorted, run{x, n}) })
	slices.SortFunc(sorted, func(a, b run) int {
		if a.x < b.x {
			return -1
		}
		return 1
	})
	values, counts = make([]float64, len(sorted)), make([]int64, len(sorted))
	for i, r := range sorted {
		values[i], counts[i] = r.x, r.n
	}
	return values, counts
}

// mix spreads 64 bits over 64 bits (the finaliser of splitmix64). Stored distinct
// estimates depend on it: it must never change.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
