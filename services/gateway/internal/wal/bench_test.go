package wal_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

// BenchmarkRow is one request's share of the log: a BEGIN with a small prompt and an END with a small answer.
func BenchmarkRow(b *testing.B) {
	for name, durability := range map[string]wal.Durability{"strict": wal.Strict, "lean": wal.Lean} {
		b.Run(name, func(b *testing.B) {
			o := options(b.TempDir())
			o.SegmentBytes, o.CapBytes, o.SyncInterval = 64<<20, 64<<30, 5*time.Millisecond
			l, err := wal.Open(o)
			require.NoError(b, err)
			prompt, answer := make([]byte, 400), make([]byte, 1000)
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					r := l.Record()
					r.Append(prompt...)
					ticket, err := l.Begin(r)
					if err != nil {
						b.Error(err)
						return
					}
					r = l.Record()
					r.Append(answer...)
					if _, err := l.End(ticket, r, durability); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.StopTimer()
			s := l.Stats()
			b.ReportMetric(float64(s.Logged)/float64(max(s.Syncs, 1)), "rows/sync")
			require.NoError(b, l.Close())
		})
	}
}
