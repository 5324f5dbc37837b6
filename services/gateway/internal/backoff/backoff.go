// Package backoff says how long to wait before the next try. Waits grow, and they are random: a fleet of gateways that lost
// the same peer at the same moment must not come back at the same moment.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Backoff counts failures in a row. The zero value waits 50 ms at most at first and 5 s at most in the end.
type Backoff struct {
	Base, Max time.Duration
	failures  int
}

// Next is the time to wait after one more failure: between half of the step and the whole of it.
func (b *Backoff) Next() time.Duration {
	base, most := b.Base, b.Max
	if base <= 0 {
		base = 50 * time.Millisecond
	}
	if most <= 0 {
		most = 5 * time.Second
	}
	step := most
	if b.failures < 30 && base<<b.failures < most {
		step = base << b.failures
	}
	b.failures++
	return step/2 + rand.N(step/2+1)
}

// Reset is told of a success.
func (b *Backoff) Reset() { b.failures = 0 }
