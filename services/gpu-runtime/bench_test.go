package gpuruntime_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
)

// BenchmarkTokens measures the whole way of a token: engine, worker, node, caller, for one client and for many.
func BenchmarkTokens(b *testing.B) {
	for _, clients := range []int{1, 4, 8, 16} {
		b.Run(fmt.Sprint(clients, "clients"), func(b *testing.B) {
			n := tiny2(b, nil)
			one := float32(1)
			var tokens atomic.Int64
			b.ResetTimer()
			for range b.N {
				var wg sync.WaitGroup
				for range clients {
					wg.Go(func() {
						req := chat("tiny2", "Tell me a story about a dog.")
						req.Sampling = &gpuruntimev1.Sampling{Temperature: &one}
						req.MaxTokens = 100
						_, f, err := n.ask(asService(b), req, nil)
						if err != nil {
							b.Error(err)
							return
						}
						tokens.Add(f.GetUsage().GetOutputTokens())
					})
				}
				wg.Wait()
			}
			b.ReportMetric(float64(tokens.Load())/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
