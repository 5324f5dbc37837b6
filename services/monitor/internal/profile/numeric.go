package profile

import (
	"math"

	"github.com/slipway-ai/slipway/services/monitor/internal/drift"
)

// Numeric summarises a numeric column.
type Numeric struct {
	budget  int
	count   int64 // finite values
	nulls   int64
	invalid int64 // NaN and ±Inf: neither null nor a value
	zeros   int64
	min     float64
	max     float64
	mean    float64
	m2      float64 // Σ (x − mean)²

	exact    *tally     // until the budget is spent
	sorted   *runs      // exact in order, until the next change
	hist     *histogram // from then on
	distinct *registers // from then on
}

// NewNumeric makes an empty summary that stays exact up to budget distinct values.
func NewNumeric(budget int) *Numeric {
	return &Numeric{budget: budget, min: math.Inf(1), max: math.Inf(-1), exact: newTally()}
}

// Add takes a batch of values. null may be nil; otherwise true marks a null.
func (s *Numeric) Add(values []float64, null []bool) {
	var batch moments
	for i, x := range values {
		switch {
		case null != nil && null[i]:
			s.nulls++
			continue
		case math.IsNaN(x) || math.IsInf(x, 0):
			s.invalid++
			continue
		}
		x += 0 // −0 becomes +0
		if x == 0 {
			s.zeros++
		}
		s.min, s.max = math.Min(s.min, x), math.Max(s.max, x)
		batch.add(x)
		s.note(x, 1)
	}
	s.fold(batch)
}

// AddNulls counts n nulls.
func (s *Numeric) AddNulls(n int64) { s.nulls += n }

func (s *Numeric) note(x float64, n int64) {
	s.sorted = nil
	if s.exact != nil {
		s.exact.add(x, n)
		if s.exact.used > s.budget {
			s.spill()
		}
		return
	}
	s.hist.add(x, n)
	s.distinct.add(hashFloat(x))
}

// runs is the distinct values in increasing order, with their counts, and what
// follows from them.
type runs struct {
	values       []float64
	counts       []int64
	mean, stddev float64
}

// inOrder sorts what is known exactly, once. The moments come from the sorted
// values too, in two passes, so that they depend on the rows alone and not on the
// order or the batches in which the rows came: a window computed again is the same
// window, to the last bit.
func (s *Numeric) inOrder() *runs {
	if s.sorted != nil {
		return s.sorted
	}
	r := &runs{}
	r.values, r.counts = s.exact.runs()
	n := float64(s.count)
	for i, x := range r.values {
		r.mean += x * (float64(r.counts[i]) / n)
	}
	var shift, m2 float64
	for i, x := range r.values {
		d := x - r.mean
		shift += d * float64(r.counts[i])
		m2 += d * d * float64(r.counts[i])
	}
	r.mean += shift / n
	if s.count > 1 {
		r.stddev = math.Sqrt(math.Max(0, m2-shift*shift/n) / (n - 1))
	}
	s.sorted = r
	return r
}

// spill turns the exact values into a histogram.
func (s *Numeric) spill() {
	exact := s.exact
	s.exact, s.hist, s.distinct = nil, &histogram{}, &registers{}
	exact.each(s.note)
}

// moments accumulates n, mean and Σ(x−mean)² by Welford's recurrence.
type moments struct {
	n        int64
	mean, m2 float64
}

func (m *moments) add(x float64) {
	m.n++
	d := x - m.mean
	m.mean += d / float64(m.n)
	m.m2 += d * (x - m.mean)
}

// fold merges moments of other values in (Chan, Golub & LeVeque 1979).
func (s *Numeric) fold(b moments) {
	if b.n == 0 {
		return
	}
	n := float64(s.count + b.n)
	d := b.mean - s.mean
	s.m2 += b.m2 + d*d*float64(s.count)*float64(b.n)/n
	s.mean += d * float64(b.n) / n
	s.count += b.n
}

// Merge adds the summary of other rows.
func (s *Numeric) Merge(other *Numeric) {
	s.nulls += other.nulls
	s.invalid += other.invalid
	s.zeros += other.zeros
	s.min, s.max = math.Min(s.min, other.min), math.Max(s.max, other.max)
	s.fold(moments{other.count, other.mean, other.m2})
	if other.exact != nil {
		other.exact.each(s.note)
		return
	}
	if s.exact != nil {
		s.spill()
	}
	s.hist.merge(other.hist)
	s.distinct.merge(other.distinct)
}

// Count is the number of values: not null, not NaN, finite.
func (s *Numeric) Count() int64 { return s.count }

// Nulls is the number of nulls.
func (s *Numeric) Nulls() int64 { return s.nulls }

// Invalid is the number of NaN and infinite values.
func (s *Numeric) Invalid() int64 { return s.invalid }

// Zeros is the number of values equal to 0.
func (s *Numeric) Zeros() int64 { return s.zeros }

// Exact tells that every distinct value is known: order statistics and drift are
// exact, not bounded.
func (s *Numeric) Exact() bool { return s.exact != nil }

// Distinct is the number of distinct values, exact or within about one percent.
func (s *Numeric) Distinct() int64 {
	if s.exact != nil {
		return int64(s.exact.used)
	}
	return s.distinct.estimate()
}

// Min is the smallest value, NaN when there is none.
func (s *Numeric) Min() float64 { return s.orNaN(s.min) }

// Max is the largest value, NaN when there is none.
func (s *Numeric) Max() float64 { return s.orNaN(s.max) }

// Mean is the mean, NaN when there is no value.
func (s *Numeric) Mean() float64 {
	if s.exact != nil && s.count > 0 {
		return s.inOrder().mean
	}
	return s.orNaN(s.mean)
}

// StdDev is the sample standard deviation (n − 1), 0 for one value, NaN for none.
func (s *Numeric) StdDev() float64 {
	if s.exact != nil && s.count > 0 {
		return s.inOrder().stddev
	}
	return s.orNaN(math.Sqrt(s.m2 / float64(s.count-1)))
}

func (s *Numeric) orNaN(x float64) float64 {
	if s.count == 0 {
		return math.NaN()
	}
	return x
}

// Sample gives the values to the drift statistics; it is binned unless Exact.
func (s *Numeric) Sample() (drift.Sample, error) {
	if s.exact == nil {
		return s.hist.sample()
	}
	r := s.inOrder()
	return drift.RunsOf(r.values, r.counts)
}

// Samples gives two summaries in comparable form: exact when both are, else both
// through the same buckets.
func Samples(ref, cur *Numeric) (r, c drift.Sample, err error) {
	if ref.Exact() && cur.Exact() {
		if r, err = ref.Sample(); err != nil {
			return r, c, err
		}
		c, err = cur.Sample()
		return r, c, err
	}
	if r, err = ref.buckets().sample(); err != nil {
		return r, c, err
	}
	c, err = cur.buckets().sample()
	return r, c, err
}

func (s *Numeric) buckets() *histogram {
	if s.exact == nil {
		return s.hist
	}
	h := &histogram{}
	s.exact.each(h.add)
	return h
}

// Quantiles gives the values at the given shares (0 … 1), each an observed value
// or, of a histogram, its bucket's middle held inside [Min, Max]. All NaN when
// there is no value.
func (s *Numeric) Quantiles(shares ...float64) ([]float64, error) {
	sample, err := s.Sample()
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(shares))
	for i, q := range shares {
		out[i] = math.Min(math.Max(sample.Quantile(q), s.Min()), s.Max())
	}
	return out, nil
}
