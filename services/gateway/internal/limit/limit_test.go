package limit_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/quick"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/gateway/internal/limit"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestABurstIsAdmittedAndThenTheRate(t *testing.T) {
	t.Parallel()
	l := limit.New()
	rate := limit.Rate{Requests: 60, Per: time.Minute, Burst: 3}
	for want := 2; want >= 0; want-- {
		d := l.Admit("ann", rate, noon)
		require.True(t, d.Allowed)
		require.Equal(t, 3, d.Limit)
		require.Equal(t, want, d.Remaining)
		require.Equal(t, time.Duration(3-want)*time.Second, d.Reset)
	}
	d := l.Admit("ann", rate, noon)
	require.Equal(t, limit.Decision{Limit: 3, RetryAfter: time.Second, Reset: 3 * time.Second}, d)
	require.False(t, l.Admit("ann", rate, noon.Add(999*time.Millisecond)).Allowed)
	require.True(t, l.Admit("ann", rate, noon.Add(time.Second)).Allowed)
	require.False(t, l.Admit("ann", rate, noon.Add(time.Second)).Allowed)
	require.True(t, l.Admit("bob", rate, noon).Allowed, "buckets are apart")
}

func TestNoRateIsNoLimit(t *testing.T) {
	t.Parallel()
	l := limit.New()
	require.Equal(t, limit.Decision{Allowed: true}, l.Admit("ann", limit.Rate{}, noon))
	require.Zero(t, l.Sweep(noon), "and no bucket")
}

func TestConcurrentRequestsDoNotOvershoot(t *testing.T) {
	t.Parallel()
	l := limit.New()
	rate := limit.Rate{Requests: 100, Per: time.Hour}
	var admitted atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 200 {
				if l.Admit("ann", rate, noon).Allowed {
					admitted.Add(1)
				}
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 100, admitted.Load())
}

func TestInEverySpanAtMostBurstAndRateAreAdmitted(t *testing.T) {
	t.Parallel()
	property := func(steps []uint16, requests, burst uint8) bool {
		rate := limit.Rate{Requests: 1 + int(requests), Per: time.Minute, Burst: 1 + int(burst)}
		l, now := limit.New(), noon
		var admitted []time.Time
		for _, step := range steps {
			now = now.Add(time.Duration(step) * time.Millisecond)
			if l.Admit("ann", rate, now).Allowed {
				admitted = append(admitted, now)
			}
		}
		interval := rate.Per / time.Duration(rate.Requests)
		for i, from := range admitted {
			for j := i; j < len(admitted); j++ {
				if allowed := rate.Burst + int(admitted[j].Sub(from)/interval); j-i+1 > allowed+1 {
					return false
				}
			}
		}
		return true
	}
	require.NoError(t, quick.Check(property, &quick.Config{MaxCount: 300}))
}

func TestASweptBucketIsNotChargedByALateComer(t *testing.T) {
	t.Parallel()
	l := limit.New()
	rate := limit.Rate{Requests: 1000, Per: time.Second, Burst: 1}
	var all sync.WaitGroup
	var admitted atomic.Int64
	for w := range 4 {
		all.Go(func() {
			for i := range 2000 {
				if w == 0 {
					l.Sweep(noon.Add(time.Duration(i) * time.Millisecond))
				} else if l.Admit("ann", rate, noon.Add(time.Duration(i)*time.Millisecond)).Allowed {
					admitted.Add(1)
				}
			}
		})
	}
	all.Wait()
	require.Positive(t, admitted.Load())
	require.Zero(t, l.Sweep(noon.Add(time.Hour)))
}

func TestSweepKeepsWhoIsStillLimited(t *testing.T) {
	t.Parallel()
	l := limit.New()
	rate := limit.Rate{Requests: 1, Per: time.Minute}
	for i := range 100 {
		l.Admit(fmt.Sprint(i), rate, noon.Add(time.Duration(i)*time.Second))
	}
	require.Equal(t, 50, l.Sweep(noon.Add(109*time.Second)))
	require.False(t, l.Admit("99", rate, noon.Add(109*time.Second)).Allowed)
}

func BenchmarkAdmit(b *testing.B) {
	l := limit.New()
	rate := limit.Rate{Requests: 1 << 40, Per: time.Second}
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			l.Admit("ann", rate, noon)
		}
	})
}
