package drift_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/slipway-ai/slipway/services/monitor/internal/drift"
)

func BenchmarkKolmogorovSmirnov(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{200, 2_000, 10_000, 1_000_000} {
		x, y := reals(rng, n), reals(rng, n-1)
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := drift.KolmogorovSmirnov(x, y, drift.KSAuto); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEffectSizes(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 6))
	x, y := reals(rng, 100_000), reals(rng, 90_000)
	b.Run("wasserstein", func(b *testing.B) {
		for b.Loop() {
			if _, err := drift.Wasserstein(x, y); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("psi", func(b *testing.B) {
		for b.Loop() {
			bins, err := drift.ReferenceDeciles(x)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := drift.PopulationStability(bins.Count(x), bins.Count(y)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sort", func(b *testing.B) {
		raw := make([]float64, 100_000)
		for i := range raw {
			raw[i] = rng.Float64()
		}
		for b.Loop() {
			drift.NewSample(raw)
		}
	})
}

func reals(rng *rand.Rand, n int) drift.Sample {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = rng.NormFloat64()
	}
	return drift.NewSample(xs)
}
