package profile_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/monitor/internal/drift"
	"github.com/slipway-ai/slipway/services/monitor/internal/profile"
)

func numeric(budget int, xs ...float64) *profile.Numeric {
	n := profile.NewNumeric(budget)
	n.Add(xs, nil)
	return n
}

func TestAnExactColumnKnowsItsMomentsAndQuantiles(t *testing.T) {
	t.Parallel()
	n := profile.NewNumeric(100)
	n.Add([]float64{4, 0, 2, math.NaN(), 2, 7, math.Inf(1)}, []bool{false, false, false, false, false, true, false})
	n.AddNulls(2)
	require.EqualValues(t, 4, n.Count())
	require.EqualValues(t, 3, n.Nulls())
	require.EqualValues(t, 2, n.Invalid())
	require.EqualValues(t, 1, n.Zeros())
	require.EqualValues(t, 3, n.Distinct())
	require.Equal(t, 0.0, n.Min())
	require.Equal(t, 4.0, n.Max())
	require.Equal(t, 2.0, n.Mean())
	require.InDelta(t, math.Sqrt(8.0/3), n.StdDev(), 1e-15)
	q, err := n.Quantiles(0, 0.5, 0.75, 0.95, 1)
	require.NoError(t, err)
	require.Equal(t, []float64{0, 2, 2, 4, 4}, q)
}

func TestAnEmptyColumnHasNoNumbers(t *testing.T) {
	t.Parallel()
	n := profile.NewNumeric(10)
	for _, v := range []float64{n.Min(), n.Max(), n.Mean(), n.StdDev()} {
		require.True(t, math.IsNaN(v))
	}
	q, err := n.Quantiles(0.5)
	require.NoError(t, err)
	require.True(t, math.IsNaN(q[0]))
	require.Zero(t, numeric(1, 5).StdDev(), "one value does not spread")
}

func TestAHistogramIsWithinOnePartIn512OfTheTruth(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	xs := make([]float64, 50_000)
	for i := range xs {
		xs[i] = math.Exp(rng.NormFloat64()*2 + 3)
		if i%3 == 0 {
			xs[i] = -xs[i]
		}
		if i%50 == 0 {
			xs[i] = 0
		}
	}
	n := numeric(1000, xs...)
	require.False(t, n.Exact())
	slices.Sort(xs)
	shares := []float64{0.001, 0.01, 0.25, 0.34, 0.5, 0.9, 0.95, 0.99, 0.999}
	got, err := n.Quantiles(shares...)
	require.NoError(t, err)
	for i, q := range shares {
		want := xs[int(math.Ceil(q*float64(len(xs))))-1]
		require.InDelta(t, want, got[i], math.Abs(want)/512, "quantile %v", q)
	}
	require.InEpsilon(t, 49_001, n.Distinct(), 0.03)
	require.Equal(t, xs[0], n.Min())
	require.Equal(t, xs[len(xs)-1], n.Max())
}

func TestMergingIsTheSameAsAddingEverything(t *testing.T) {
	t.Parallel()
	for _, budget := range []int{1 << 16, 500} { // exact, and past the budget
		rng := rand.New(rand.NewPCG(2, uint64(budget)))
		whole := profile.NewNumeric(budget)
		var parts []*profile.Numeric
		for range 7 {
			xs := make([]float64, 300)
			for i := range xs {
				xs[i] = math.Round(rng.NormFloat64()*1e6) / 1e3
			}
			whole.Add(xs, nil)
			part := profile.NewNumeric(budget)
			part.Add(xs, nil)
			parts = append(parts, part)
		}
		merged := profile.NewNumeric(budget)
		for _, i := range rng.Perm(len(parts)) {
			merged.Merge(parts[i])
		}
		require.Equal(t, whole.Count(), merged.Count())
		require.Equal(t, whole.Distinct(), merged.Distinct())
		require.Equal(t, whole.Exact(), merged.Exact())
		require.InEpsilon(t, whole.Mean(), merged.Mean(), 1e-12)
		require.InEpsilon(t, whole.StdDev(), merged.StdDev(), 1e-12)
		a, b, err := profile.Samples(whole, merged)
		require.NoError(t, err)
		require.Equal(t, a, b, "the distributions are identical, whatever the order")
	}
}

func TestTheIntervalOfABinnedDistanceHoldsTheExactOne(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 3))
	for trial := range 200 {
		m, n := 2000+rng.IntN(3000), 2000+rng.IntN(3000)
		x, y := make([]float64, m), make([]float64, n)
		shift := rng.Float64() * 0.05
		for i := range x {
			x[i] = math.Exp(rng.NormFloat64())
		}
		for i := range y {
			y[i] = math.Exp(rng.NormFloat64() + shift)
		}
		exact, err := drift.KolmogorovSmirnov(drift.NewSample(x), drift.NewSample(y), drift.KSAsymptotic)
		require.NoError(t, err)
		// One side exact, the other past its budget: both go through the buckets.
		ref, cur, err := profile.Samples(numeric(1<<16, x...), numeric(100, y...))
		require.NoError(t, err)
		binned, err := drift.KolmogorovSmirnov(ref, cur, drift.KSAsymptotic)
		require.NoError(t, err)
		require.LessOrEqual(t, binned.D, exact.D+1e-15, "trial %d", trial)
		require.GreaterOrEqual(t, binned.DHigh, exact.D-1e-15, "trial %d", trial)
		require.Less(t, binned.DHigh-binned.D, 0.01, "and it is narrow")
	}
}

func TestExtremeValuesHaveBuckets(t *testing.T) {
	t.Parallel()
	xs := []float64{-math.MaxFloat64, -1, -5e-324, 0, 5e-324, 2.2e-308, 1, math.MaxFloat64}
	n := numeric(2, xs...)
	require.False(t, n.Exact())
	q, err := n.Quantiles(0, 1)
	require.NoError(t, err)
	require.InEpsilon(t, -math.MaxFloat64, q[0], 1.0/256)
	require.InEpsilon(t, math.MaxFloat64, q[1], 1.0/256)
}

func TestCategoriesCountExactlyWithinTheBudget(t *testing.T) {
	t.Parallel()
	c := profile.NewCategorical(10)
	c.Add([]string{"en", "de", "en", "", "sv", "en"}, []bool{false, false, false, true, false, false})
	c.AddNulls(1)
	require.EqualValues(t, 5, c.Count())
	require.EqualValues(t, 2, c.Nulls())
	require.EqualValues(t, 3, c.Distinct())
	require.Equal(t, []profile.Item{{"en", 3}, {"de", 1}}, c.Frequent(2))
	require.Equal(t, map[string]int64{"en": 3, "de": 1, "sv": 1}, c.Table("rest"))
	require.Zero(t, c.Slack())
}

func TestPastTheBudgetFrequentCategoriesSurviveWithinTheSlack(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 4))
	truth := map[string]int64{}
	whole := profile.NewCategorical(50)
	parts := []*profile.Categorical{profile.NewCategorical(50), profile.NewCategorical(50)}
	for i := range 40_000 {
		name := fmt.Sprintf("rare-%d", rng.IntN(8000))
		if rng.IntN(4) > 0 {
			name = fmt.Sprintf("common-%d", rng.IntN(12))
		}
		truth[name]++
		whole.Add([]string{name}, nil)
		parts[i%2].Add([]string{name}, nil)
	}
	parts[0].Merge(parts[1])
	for _, c := range []*profile.Categorical{whole, parts[0]} {
		require.EqualValues(t, 40_000, c.Count())
		require.InEpsilon(t, len(truth), c.Distinct(), 0.03)
		table := c.Table("rest")
		var sum int64
		for name, n := range table {
			sum += n
			if name != "rest" {
				require.LessOrEqual(t, n, truth[name])
				require.GreaterOrEqual(t, n, truth[name]-c.Slack())
			}
		}
		require.EqualValues(t, 40_000, sum)
		for name, n := range truth {
			if n > c.Slack() {
				require.Contains(t, table, name)
			}
		}
	}
}

func TestALongNameIsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	c := profile.NewCategorical(3)
	c.Add([]string{"x" + strings.Repeat("ö", 300)}, nil)
	name := c.Frequent(1)[0].Name
	require.LessOrEqual(t, len(name), profile.MaxCategoryBytes)
	require.True(t, utf8.ValidString(name))
}

func columns() []profile.Column {
	return []profile.Column{{"tokens", profile.KindNumeric}, {"ms", profile.KindNumeric}, {"lang", profile.KindCategorical}, {"id", profile.KindCategorical}}
}

func filled(seed uint64, rows int) *profile.Profile {
	rng := rand.New(rand.NewPCG(seed, 5))
	p := profile.New(columns(), profile.Budget{Values: 200, Categories: 20})
	for range rows {
		p.Rows++
		p.Numeric("tokens").Add([]float64{float64(rng.IntN(90))}, nil)
		p.Numeric("ms").Add([]float64{rng.NormFloat64()}, []bool{rng.IntN(9) == 0})
		p.Categorical("lang").Add([]string{[]string{"en", "de", "sv"}[rng.IntN(3)]}, nil)
		p.Categorical("id").Add([]string{fmt.Sprint(rng.IntN(500))}, nil)
	}
	return p
}

func TestAStoredProfileComesBackWhole(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{0, 1, 1500} {
		p := filled(9, rows)
		raw, err := p.MarshalBinary()
		require.NoError(t, err)
		var back profile.Profile
		require.NoError(t, back.UnmarshalBinary(raw))
		again, err := back.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, raw, again)
		require.Equal(t, p.Columns(), back.Columns())
		require.Equal(t, p.Rows, back.Rows)
		require.Equal(t, p.Numeric("ms").Distinct(), back.Numeric("ms").Distinct())
		require.NoError(t, back.Merge(filled(10, 20)), "and goes on working")
		require.Equal(t, p.Rows+20, back.Rows)
	}
}

func TestAnyFlippedByteOfAStoredProfileIsNoticed(t *testing.T) {
	t.Parallel()
	raw, err := filled(3, 40).MarshalBinary()
	require.NoError(t, err)
	var p profile.Profile
	for i := range raw {
		damaged := slices.Clone(raw)
		damaged[i] ^= 0x41
		require.ErrorIs(t, p.UnmarshalBinary(damaged), profile.ErrDamaged, "byte %d", i)
	}
	for _, n := range []int{0, 4, 9, len(raw) / 2, len(raw) - 1} {
		require.ErrorIs(t, p.UnmarshalBinary(raw[:n]), profile.ErrDamaged)
	}
}

func TestProfilesOfOtherColumnsDoNotMerge(t *testing.T) {
	t.Parallel()
	p := filled(1, 5)
	require.Error(t, p.Merge(profile.New(columns()[:2], profile.DefaultBudget())))
	swapped := columns()
	swapped[0].Kind = profile.KindCategorical
	require.Error(t, p.Merge(profile.New(swapped, profile.DefaultBudget())))
	require.EqualValues(t, 5, p.Rows)
}

func FuzzStoredProfilesNeverPanic(f *testing.F) {
	for _, rows := range []int{0, 3, 400} {
		raw, err := filled(7, rows).MarshalBinary()
		require.NoError(f, err)
		f.Add(raw[:len(raw)-4])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var p profile.Profile
		if p.UnmarshalBinary(profile.Seal(body)) != nil {
			return
		}
		for _, c := range p.Columns() {
			if n := p.Numeric(c.Name); n != nil {
				n.Distinct()
				_, _ = n.Quantiles(0.5)
			} else {
				p.Categorical(c.Name).Table("rest")
			}
		}
		_, err := p.MarshalBinary()
		require.NoError(t, err)
	})
}

func BenchmarkNumericAdd(b *testing.B) {
	rng := rand.New(rand.NewPCG(6, 6))
	whole, real := make([]float64, 1<<16), make([]float64, 1<<16)
	for i := range whole {
		whole[i], real[i] = float64(rng.IntN(3000)), rng.ExpFloat64()*100
	}
	for name, xs := range map[string][]float64{"whole numbers": whole, "reals": real} {
		b.Run(name, func(b *testing.B) {
			n := profile.NewNumeric(1 << 15)
			for b.Loop() {
				n.Add(xs, nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(xs)), "ns/value")
		})
	}
}
