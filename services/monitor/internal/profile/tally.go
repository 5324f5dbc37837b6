package profile

import (
	"cmp"
	"math"
	"slices"
)

// tally counts distinct floats: an open-addressing table keyed by the value's
// bits, key and count side by side so that a lookup touches one cache line. A
// profile adds hundreds of millions of values, and this costs a third of what a Go
// map does. A zero count marks a free slot, so no value needs a special place.
type tally struct {
	slots []slot
	used  int
}

type slot struct {
	bits  uint64
	count int64
}

func newTally() *tally { return &tally{slots: make([]slot, 16)} }

// add counts n more of x, which must be finite and not −0.
func (t *tally) add(x float64, n int64) {
	if t.used*2 >= len(t.slots) {
		t.grow()
	}
	bits := math.Float64bits(x)
	s := t.find(bits)
	if s.count == 0 {
		s.bits = bits
		t.used++
	}
	s.count += n
}

func (t *tally) find(bits uint64) *slot {
	mask := uint64(len(t.slots) - 1)
	for i := mix(bits); ; i++ {
		if s := &t.slots[i&mask]; s.count == 0 || s.bits == bits {
			return s
		}
	}
}

func (t *tally) grow() {
	old := t.slots
	t.slots = make([]slot, 2*len(old))
	for _, s := range old {
		if s.count != 0 {
			*t.find(s.bits) = s
		}
	}
}

// each visits every value, in no particular order.
func (t *tally) each(visit func(x float64, n int64)) {
	for _, s := range t.slots {
		if s.count != 0 {
			visit(math.Float64frombits(s.bits), s.count)
		}
	}
}

// runs gives the values in increasing order, with their counts.
func (t *tally) runs() (values []float64, counts []int64) {
	sorted := make([]slot, 0, t.used)
	for _, s := range t.slots {
		if s.count != 0 {
			sorted = append(sorted, slot{ordered(math.Float64frombits(s.bits)), s.count})
		}
	}
	slices.SortFunc(sorted, func(a, b slot) int { return cmp.Compare(a.bits, b.bits) })
	values, counts = make([]float64, len(sorted)), make([]int64, len(sorted))
	for i, s := range sorted {
		values[i], counts[i] = unordered(s.bits), s.count
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
