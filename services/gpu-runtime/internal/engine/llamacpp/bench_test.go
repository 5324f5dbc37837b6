package llamacpp

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkGenerator measures the engine alone: no processes, no wires.
func BenchmarkGenerator(b *testing.B) {
	m := loadTiny(b, "tiny2")
	for _, clients := range []int{1, 4, 8, 16} {
		b.Run(fmt.Sprint(clients, "clients"), func(b *testing.B) {
			g := generator(b, m, nil)
			var tokens atomic.Int64
			b.ResetTimer()
			for i := range b.N {
				var wg sync.WaitGroup
				for c := range clients {
					wg.Go(func() {
						r := story(b, m, 100)
						r.Sampling = Sampling{Temperature: 1, TopP: 1, TopK: 40, Seed: uint32(i*64 + c)} //nolint:gosec // small
						_, f := answerTo(b, g, r)
						tokens.Add(int64(f.Output))
					})
				}
				wg.Wait()
			}
			b.ReportMetric(float64(tokens.Load())/b.Elapsed().Seconds(), "tokens/s")
			b.ReportMetric(float64(tokens.Load())/float64(g.Stats().Steps), "tokens/step")
		})
	}
}
