package drift_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/monitor/internal/drift"
)

func TestAnEmptySampleIsAnErrorNotAZero(t *testing.T) {
	t.Parallel()
	empty, one := drift.NewSample([]float64{math.NaN(), math.Inf(1)}), drift.NewSample([]float64{1})
	require.Zero(t, empty.N(), "NaN and infinity are not observations")
	for _, pair := range [][2]drift.Sample{{empty, one}, {one, empty}, {empty, empty}} {
		_, err := drift.KolmogorovSmirnov(pair[0], pair[1], drift.KSAuto)
		require.ErrorIs(t, err, drift.ErrTooFew)
		_, err = drift.Wasserstein(pair[0], pair[1])
		require.ErrorIs(t, err, drift.ErrTooFew)
	}
	_, err := drift.ReferenceDeciles(empty)
	require.ErrorIs(t, err, drift.ErrTooFew)
	_, err = drift.JensenShannon([]int64{0, 0}, []int64{1, 2})
	require.ErrorIs(t, err, drift.ErrTooFew)
	_, err = drift.ChiSquareContingency([]int64{1, 2}, []int64{0, 0})
	require.ErrorIs(t, err, drift.ErrTooFew)
	_, err = drift.KolmogorovSmirnov(one, one, drift.KSAsymptotic)
	require.ErrorIs(t, err, drift.ErrTooFew, "the effective size of one against one rounds to none")
}

func TestArgumentsThatDoNotFitAreNamed(t *testing.T) {
	t.Parallel()
	one := drift.NewSample([]float64{1})
	for name, attempt := range map[string]struct {
		want error
		call func() error
	}{
		"unknown mode": {drift.ErrDomain, func() error { _, err := drift.KolmogorovSmirnov(one, one, "fast"); return err }},
		"fractional n": {drift.ErrDomain, func() error { _, err := drift.KolmogorovTwoSidedSF(2.5, 0.1); return err }},
		"x is NaN":     {drift.ErrDomain, func() error { _, err := drift.KolmogorovTwoSidedSF(2, math.NaN()); return err }},
		"lengths":      {drift.ErrShape, func() error { _, err := drift.TotalVariation([]int64{1}, []int64{1, 2}); return err }},
		"negative":     {drift.ErrDomain, func() error { _, err := drift.LInfinity([]float64{1, -1}, []float64{1, 2}); return err }},
		"overflow":     {drift.ErrDomain, func() error { _, err := drift.JensenShannon([]float64{1e308, 1e308}, []float64{1, 2}); return err }},
		"no edges":     {drift.ErrShape, func() error { _, err := drift.FixedEdges(); return err }},
		"edges fall":   {drift.ErrShape, func() error { _, err := drift.FixedEdges(2, 1); return err }},
		"edge NaN":     {drift.ErrDomain, func() error { _, err := drift.FixedEdges(math.NaN()); return err }},
		"p above one":  {drift.ErrDomain, func() error { _, err := drift.BenjaminiHochberg([]float64{0.2, 1.1}); return err }},
		"p is NaN":     {drift.ErrDomain, func() error { _, err := drift.BenjaminiYekutieli([]float64{math.NaN()}); return err }},
		"runs fall":    {drift.ErrShape, func() error { _, err := drift.RunsOf([]float64{2, 2}, []int64{1, 1}); return err }},
		"run of none":  {drift.ErrDomain, func() error { _, err := drift.RunsOf([]float64{2}, []int64{0}); return err }},
		"fisher":       {drift.ErrDomain, func() error { _, err := drift.FisherExact(1, -1, 2, 3); return err }},
		"binned against not": {drift.ErrShape, func() error {
			b, err := drift.BucketsOf([]float64{1}, []int64{3})
			require.NoError(t, err)
			_, err = drift.KolmogorovSmirnov(b, one, drift.KSAuto)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, attempt.call(), attempt.want)
		})
	}
}

func TestExactKolmogorovSmirnovAgreesWithEnumeratingEveryOrder(t *testing.T) {
	t.Parallel()
	// The definition itself: deal m reference and n current observations in every
	// order and count the orders whose distance is at least the observed one.
	for _, size := range [][2]int{{1, 1}, {2, 3}, {4, 4}, {5, 3}, {6, 4}, {2, 8}, {6, 6}} {
		m, n := size[0], size[1]
		counts := map[int]int{} // distance in units of 1/(m·n) → orders
		orders := 0
		var deal func(i, j, peak int)
		deal = func(i, j, peak int) {
			peak = max(peak, abs(i*n-j*m))
			if i == m && j == n {
				counts[peak]++
				orders++
				return
			}
			if i < m {
				deal(i+1, j, peak)
			}
			if j < n {
				deal(i, j+1, peak)
			}
		}
		deal(0, 0, 0)
		for peak := range counts {
			atLeast := 0
			for d, c := range counts {
				if d >= peak {
					atLeast += c
				}
			}
			ref, cur := samplesWithDistance(m, n, peak)
			got, err := drift.KolmogorovSmirnov(ref, cur, drift.KSExact)
			require.NoError(t, err)
			require.InDelta(t, float64(peak)/float64(m*n), got.D, 1e-15)
			require.InEpsilon(t, float64(atLeast)/float64(orders), got.P, 1e-12, "m=%d n=%d peak=%d", m, n, peak)
		}
	}
}

// samplesWithDistance finds some order of m and n observations at that distance.
func samplesWithDistance(m, n, peak int) (ref, cur drift.Sample) {
	var a, b []float64
	var search func(i, j, seen int) bool
	search = func(i, j, seen int) bool {
		seen = max(seen, abs(i*n-j*m))
		if i == m && j == n {
			return seen == peak
		}
		if i < m {
			a = append(a, float64(i+j))
			if search(i+1, j, seen) {
				return true
			}
			a = a[:len(a)-1]
		}
		if j < n {
			b = append(b, float64(i+j))
			if search(i, j+1, seen) {
				return true
			}
			b = b[:len(b)-1]
		}
		return false
	}
	search(0, 0, 0)
	return drift.NewSample(a), drift.NewSample(b)
}

func TestTheSignTellsWhichSideIsLarger(t *testing.T) {
	t.Parallel()
	low, high := drift.NewSample([]float64{1, 2, 3}), drift.NewSample([]float64{4, 5})
	up, err := drift.KolmogorovSmirnov(low, high, drift.KSAuto)
	require.NoError(t, err)
	require.Equal(t, 1, up.Sign)
	require.Equal(t, 3.0, up.Location)
	down, err := drift.KolmogorovSmirnov(high, low, drift.KSAuto)
	require.NoError(t, err)
	require.Equal(t, -1, down.Sign)
}

func TestRunsAndRowsGiveOneAnswer(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	a, b := integers(rng, 5000, 30), integers(rng, 7000, 31)
	rows, err := drift.KolmogorovSmirnov(a, b, drift.KSAuto)
	require.NoError(t, err)
	va, ca := a.Runs()
	vb, cb := b.Runs()
	ra, err := drift.RunsOf(va, ca)
	require.NoError(t, err)
	rb, err := drift.RunsOf(vb, cb)
	require.NoError(t, err)
	got, err := drift.KolmogorovSmirnov(ra, rb, drift.KSAuto)
	require.NoError(t, err)
	require.Equal(t, rows, got)
}

func integers(rng *rand.Rand, n, top int) drift.Sample {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = float64(rng.IntN(top))
	}
	return drift.NewSample(xs)
}

func TestSmallCategoriesArePooledFromTheTail(t *testing.T) {
	t.Parallel()
	names, ref, cur := drift.Align(
		map[string]int64{"en": 500, "de": 300, "fr": 100, "sv": 3, "fi": 1},
		map[string]int64{"en": 480, "de": 310, "fr": 120, "is": 2, "fi": 1})
	require.Equal(t, []string{"en", "de", "fr", "sv", "fi", "is"}, names)
	got, err := drift.ChiSquareCategories(names, ref, cur)
	require.NoError(t, err)
	require.Equal(t, []string{"fr", "sv", "fi", "is"}, got.Pooled, "the tail alone is too small, so fr joins it")
	require.Equal(t, 2, got.DOF)
	want, err := drift.ChiSquareContingency([]int64{500, 300, 104}, []int64{480, 310, 123})
	require.NoError(t, err)
	require.Equal(t, want.Statistic, got.Statistic)

	none, err := drift.ChiSquareCategories([]string{"a", "b"}, []int64{50, 60}, []int64{40, 70})
	require.NoError(t, err)
	require.Empty(t, none.Pooled)
	require.True(t, none.Yates)
}

func TestTwoSmallCategoriesAreJudgedExactly(t *testing.T) {
	t.Parallel()
	got, err := drift.ChiSquareCategories([]string{"200", "500"}, []int64{100, 0}, []int64{95, 5})
	require.NoError(t, err)
	require.True(t, got.Fisher)
	want, err := drift.FisherExact(100, 0, 95, 5)
	require.NoError(t, err)
	require.Equal(t, want, got.P)

	alone, err := drift.ChiSquareCategories([]string{"200"}, []int64{10}, []int64{12})
	require.NoError(t, err)
	require.Equal(t, 1.0, alone.P)
	_, err = drift.ChiSquareCategories([]string{"200"}, []int64{10, 1}, []int64{12, 1})
	require.ErrorIs(t, err, drift.ErrShape)
}

func TestAConstantReferenceStillShowsAMoveToEitherSide(t *testing.T) {
	t.Parallel()
	constant := drift.NewSample([]float64{5, 5, 5, 5})
	bins, err := drift.ReferenceDeciles(constant)
	require.NoError(t, err)
	require.Equal(t, 3, bins.N())
	for _, moved := range []float64{4, 6} {
		psi, err := drift.PopulationStability(bins.Count(constant), bins.Count(drift.NewSample([]float64{moved, moved})))
		require.NoError(t, err)
		require.Greater(t, psi.Value, 10.0)
	}
}

func TestEveryValueFallsIntoTheBinThatClosesOnIt(t *testing.T) {
	t.Parallel()
	bins, err := drift.FixedEdges(0, 10, 20)
	require.NoError(t, err)
	got := bins.Count(drift.NewSample([]float64{-1, 0, 0.5, 10, 10.5, 20, 21, 1e300}))
	require.Equal(t, []int64{2, 2, 2, 2}, got)
}

func FuzzStatisticsKeepTheirBounds(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4}, []byte{4, 5, 6})
	f.Add([]byte{0, 0, 0}, []byte{255})
	f.Add([]byte("the quick brown fox"), []byte("jumps over the lazy dog"))
	f.Fuzz(func(t *testing.T, x, y []byte) {
		if len(x) == 0 || len(y) == 0 || len(x)+len(y) > 4000 {
			return
		}
		a, b := fuzzSample(x), fuzzSample(y)
		if a.N() == 0 || b.N() == 0 {
			return
		}
		for _, mode := range []drift.KSMode{drift.KSAuto, drift.KSAsymptotic} {
			one, err := drift.KolmogorovSmirnov(a, b, mode)
			if err != nil {
				continue // one against one has no asymptotic answer
			}
			two, err := drift.KolmogorovSmirnov(b, a, mode)
			require.NoError(t, err)
			require.Equal(t, one.D, two.D, "D is symmetric")
			require.Equal(t, one.P, two.P, "p is symmetric")
			require.Equal(t, one.Sign, -two.Sign)
			within(t, one.D, 0, 1)
			within(t, one.P, 0, 1)
			if one.D == 0 {
				require.Equal(t, 1.0, one.P)
			}
		}
		self, err := drift.KolmogorovSmirnov(a, a, drift.KSAuto)
		require.NoError(t, err)
		require.Zero(t, self.D)
		w, err := drift.Wasserstein(a, b)
		require.NoError(t, err)
		v, err := drift.Wasserstein(b, a)
		require.NoError(t, err)
		require.Equal(t, w.Distance, v.Distance, "the distance is symmetric, its norming is not")
		require.GreaterOrEqual(t, w.Distance, 0.0)

		bins, err := drift.ReferenceDeciles(a)
		require.NoError(t, err)
		p, q := bins.Count(a), bins.Count(b)
		checkVectorBounds(t, p, q)
	})
}

func checkVectorBounds(t *testing.T, p, q []int64) {
	t.Helper()
	js, err := drift.JensenShannon(p, q)
	require.NoError(t, err)
	js2, err := drift.JensenShannon(q, p)
	require.NoError(t, err)
	require.Equal(t, js, js2)
	within(t, js.Base2, 0, 1+1e-12)
	tv, err := drift.TotalVariation(p, q)
	require.NoError(t, err)
	linf, err := drift.LInfinity(p, q)
	require.NoError(t, err)
	within(t, tv, 0, 1)
	within(t, linf, 0, 1)
	require.LessOrEqual(t, tv*tv/2/math.Ln2, js.Base2*js.Base2+1e-12, "Pinsker bounds the divergence from below")
	require.LessOrEqual(t, js.Base2*js.Base2, tv+1e-12, "and total variation bounds it from above")
	psi, err := drift.PopulationStability(p, q)
	require.NoError(t, err)
	require.GreaterOrEqual(t, psi.Value, 0.0)
	chi, err := drift.ChiSquareContingency(p, q)
	require.NoError(t, err)
	within(t, chi.P, 0, 1)
}

func within(t *testing.T, x, lo, hi float64) {
	t.Helper()
	if !(x >= lo && x <= hi) {
		t.Errorf("%v lies outside [%v, %v]", x, lo, hi)
	}
}

// fuzzSample makes floats of very different sizes from bytes.
func fuzzSample(raw []byte) drift.Sample {
	xs := make([]float64, len(raw))
	for i, b := range raw {
		switch b % 7 {
		case 0:
			xs[i] = float64(b)
		case 1:
			xs[i] = -float64(b) / 3
		case 2:
			xs[i] = math.Ldexp(float64(b), -1060)
		case 3:
			xs[i] = math.Ldexp(float64(b), 900)
		case 4:
			xs[i] = math.NaN()
		default:
			xs[i] = float64(b % 5)
		}
	}
	return drift.NewSample(xs)
}
