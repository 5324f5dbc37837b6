package drift

import (
	"fmt"
	"math"
	"slices"
)

// Sample is a numeric sample as runs of equal values in increasing order. Token
// counts, milliseconds and lengths repeat, so a million rows are usually a few
// thousand runs; every statistic here costs one walk over the runs of both sides.
//
// A Sample may also stand for a histogram: then each run is one bucket, its value
// the bucket's representative, and the sample is marked as binned, which turns
// the Kolmogorov–Smirnov distance into an interval.
type Sample struct {
	values []float64
	counts []int64
	n      int64
	binned bool
}

// NewSample copies xs, drops NaN and ±Inf, and sorts. The result may be empty;
// the statistics say ErrTooFew about that, not this constructor.
func NewSample(xs []float64) Sample {
	kept := make([]float64, 0, len(xs))
	for _, x := range xs {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			kept = append(kept, x+0) // -0 becomes +0: one value, one run
		}
	}
	slices.Sort(kept)
	s := Sample{n: int64(len(kept))}
	for i := 0; i < len(kept); {
		j := i + 1
		for j < len(kept) && kept[j] == kept[i] {
			j++
		}
		s.values = append(s.values, kept[i])
		s.counts = append(s.counts, int64(j-i))
		i = j
	}
	return s
}

// RunsOf takes values in strictly increasing order, each with its number of
// observations (≥ 1). The slices are kept, not copied: the caller hands them over.
func RunsOf(values []float64, counts []int64) (Sample, error) {
	return runs(values, counts, false)
}

// BucketsOf is RunsOf for histogram buckets: values are the buckets'
// representatives, in increasing order, each inside its bucket. Two binned
// samples may be compared only when one bucket function made both.
func BucketsOf(values []float64, counts []int64) (Sample, error) {
	return runs(values, counts, true)
}

func runs(values []float64, counts []int64, binned bool) (Sample, error) {
	if len(values) != len(counts) {
		return Sample{}, fmt.Errorf("sample: %w: %d values, %d counts", ErrShape, len(values), len(counts))
	}
	s := Sample{values: values, counts: counts, binned: binned}
	for i, x := range values {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return Sample{}, fmt.Errorf("sample: %w: value %d is not finite", ErrDomain, i)
		}
		if i > 0 && !(values[i-1] < x) {
			return Sample{}, fmt.Errorf("sample: %w: values %d and %d are not increasing", ErrShape, i-1, i)
		}
		if counts[i] < 1 {
			return Sample{}, fmt.Errorf("sample: %w: count %d is %d", ErrDomain, i, counts[i])
		}
		s.n += counts[i]
	}
	return s, nil
}

// N is the number of observations.
func (s Sample) N() int64 { return s.n }

// Binned tells that the runs are histogram buckets, so order statistics are
// known only up to a bucket.
func (s Sample) Binned() bool { return s.binned }

// Runs gives the distinct values and their counts; read only.
func (s Sample) Runs() ([]float64, []int64) { return s.values, s.counts }

// StdDev is the population standard deviation (divided by n, like numpy's
// default), 0 for an empty sample. It is computed in two passes, which keeps it
// exact for large offsets.
func (s Sample) StdDev() float64 {
	if s.n == 0 {
		return 0
	}
	n := float64(s.n)
	var mean float64
	for i, x := range s.values {
		mean += x * (float64(s.counts[i]) / n)
	}
	var m2, shift float64
	for i, x := range s.values {
		d := x - mean
		m2 += d * d * float64(s.counts[i])
		shift += d * float64(s.counts[i])
	}
	return math.Sqrt(math.Max(0, (m2-shift*shift/n)/n))
}

// Quantile is the smallest observation whose share of observations at or below
// it reaches q (the inverse of the empirical distribution function, Hyndman &
// Fan's type 1): always a value that occurred, so an atom stays an atom.
// NaN for an empty sample.
func (s Sample) Quantile(q float64) float64 {
	if s.n == 0 {
		return math.NaN()
	}
	rank := int64(math.Ceil(q * float64(s.n)))
	rank = min(max(rank, 1), s.n)
	var seen int64
	for i, c := range s.counts {
		if seen += c; seen >= rank {
			return s.values[i]
		}
	}
	return s.values[len(s.values)-1]
}
