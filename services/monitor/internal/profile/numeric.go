package profile

import (
	"math"

	"github.com/slipway-ai/slipway/services/monitor/internal/drift"
)

// Numeric summarises a numeric column. While it is exact it is nothing but the
// distinct values and their counts: all else follows from them, and costs nothing
// per row. Past its budget it is a histogram, a distinct estimate and running
// moments.
type Numeric struct {
	budget  int
	count   int64 // finite values
	nulls   int64
	invalid int64 // NaN and ±Inf: neither null nor a value

	exact  *tally // until the budget is spent
	sorted *runs  // exact in order, until the next change

	hist     *histogram // from then on
	distinct *registers
	rest     moments
}

// NewNumeric makes an empty summary that stays exact up to budget distinct values.
func NewNumeric(budget int) *Numeric { return &Numeric{budget: budget, exact: newTally()} }

// Add takes a batch of values. null may be nil; otherwise true marks a null.
func (s *Numeric) Add(values []float64, null []bool) {
	s.sorted = nil
	for i, x := range values {
		if null != nil && null[i] {
			s.nulls++
			continue
		}
		if x-x != 0 { // NaN, +Inf, −Inf
			s.invalid++
			continue
		}
		s.count++
		s.note(x+0, 1) // −0 becomes +0
	}
}

// AddNulls counts n nulls.
func (s *Numeric) AddNulls(n int64) { s.nulls += n }

func (s *Numeric) note(x float64, n int64) {
	if s.exact != nil {
		s.exact.add(x, n)
		if s.exact.used > s.budget {
			s.spill()
		}
		return
	}
	s.hist.add(x, n)
	s.distinct.add(hashFloat(x))
	s.rest.add(x, n)
}

// runs is the distinct values in increasing order, with their counts, and the
// moments that follow from them.
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
	values, counts := s.exact.runs()
	s.exact, s.sorted = nil, nil
	s.hist, s.distinct, s.rest = &histogram{}, &registers{}, newMoments()
	for i, x := range values {
		s.note(x, counts[i])
	}
}

// moments are the running numbers of a column that is no longer exact.
type moments struct {
	n, zeros int64
	mean, m2 float64 // m2 = Σ (x − mean)²
	min, max float64
}

func newMoments() moments { return moments{min: math.Inf(1), max: math.Inf(-1)} }

// add takes n times x (Welford's recurrence, weighted as by West 1979).
func (m *moments) add(x float64, n int64) {
	if x == 0 {
		m.zeros += n
	}
	m.min, m.max = min(m.min, x), max(m.max, x)
	m.n += n
	d := x - m.mean
	m.mean += d * float64(n) / float64(m.n)
	m.m2 += d * (x - m.mean) * float64(n)
}

// merge adds the moments of other values (Chan, Golub & LeVeque 1979).
func (m *moments) merge(b moments) {
	if b.n == 0 {
		return
	}
	n := float64(m.n + b.n)
	d := b.mean - m.mean
	m.m2 += b.m2 + d*d*float64(m.n)*float64(b.n)/n
	m.mean += d * float64(b.n) / n
	m.n += b.n
	m.zeros += b.zeros
	m.min, m.max = min(m.min, b.min), max(m.max, b.max)
}

// Merge adds the summary of other rows.
func (s *Numeric) Merge(other *Numeric) {
	s.sorted = nil
	s.count += other.count
	s.nulls += other.nulls
	s.invalid += other.invalid
	if other.exact != nil {
		r := other.inOrder()
		for i, x := range r.values {
			s.note(x, r.counts[i])
		}
		return
	}
	if s.exact != nil {
		s.spill()
	}
	s.hist.merge(other.hist)
	s.distinct.merge(other.distinct)
	s.rest.merge(other.rest)
}

// Count is the number of values: not null, not NaN, finite.
func (s *Numeric) Count() int64 { return s.count }

// Nulls is the number of nulls.
func (s *Numeric) Nulls() int64 { return s.nulls }

// Invalid is the number of NaN and infinite values.
func (s *Numeric) Invalid() int64 { return s.invalid }

// Zeros is the number of values equal to 0.
func (s *Numeric) Zeros() int64 {
	if s.exact != nil {
		return s.exact.find(0).count
	}
	return s.rest.zeros
}

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
func (s *Numeric) Min() float64 {
	switch {
	case s.count == 0:
		return math.NaN()
	case s.exact != nil:
		return s.inOrder().values[0]
	}
	return s.rest.min
}

// Max is the largest value, NaN when there is none.
func (s *Numeric) Max() float64 {
	switch {
	case s.count == 0:
		return math.NaN()
	case s.exact != nil:
		values := s.inOrder().values
		return values[len(values)-1]
	}
	return s.rest.max
}

// Mean is the mean, NaN when there is no value.
func (s *Numeric) Mean() float64 {
	switch {
	case s.count == 0:
		return math.NaN()
	case s.exact != nil:
		return s.inOrder().mean
	}
	return s.rest.mean
}

// StdDev is the sample standard deviation (n − 1), 0 for one value, NaN for none.
func (s *Numeric) StdDev() float64 {
	switch {
	case s.count == 0:
		return math.NaN()
	case s.count == 1:
		return 0
	case s.exact != nil:
		return s.inOrder().stddev
	}
	return math.Sqrt(s.rest.m2 / float64(s.count-1))
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
