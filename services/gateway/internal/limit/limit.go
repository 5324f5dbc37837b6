// Package limit decides how often a principal may ask.
//
// It is the generic cell rate algorithm: a bucket is one number, the theoretical arrival time of the next request if all
// requests kept exactly to the rate. A request is admitted when that time is not further ahead of now than the burst allows.
// One compare-and-swap per request decides and charges at once, so concurrent requests cannot overshoot, there is no window
// at whose edge twice the rate passes, and nothing has to tick.
package limit

import (
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Rate is what a principal may do. The zero Rate is no limit.
type Rate struct {
	Requests int           // in each Per
	Per      time.Duration // such as a minute
	Burst    int           // at once, after a rest; 0 takes Requests
}

// Unlimited says whether r bounds nothing.
func (r Rate) Unlimited() bool { return r.Requests <= 0 || r.Per <= 0 }

// Decision is the answer to one request, with what the caller is told in the x-ratelimit headers.
type Decision struct {
	Allowed    bool
	Limit      int           // requests at once after a rest; 0 when there is no limit, and then nothing else is meant
	Remaining  int           // requests that would be admitted right now
	Reset      time.Duration // until Remaining is Limit again
	RetryAfter time.Duration // of a refused request: until one would be admitted
}

const shards = 64

// Limiter holds one bucket per key. The zero value is not usable; make one with New.
type Limiter struct {
	seed  maphash.Seed
	shard [shards]shard
}

type shard struct {
	mu      sync.RWMutex
	buckets map[string]*bucket
	_       [24]byte // shards do not share a cache line
}

// bucket is the theoretical arrival time in nanoseconds since 1970. A swept bucket holds gone for ever, so that a request
// that still has a pointer to it looks again instead of charging a bucket nobody will ask.
type bucket struct {
	arrival atomic.Int64
	_       [56]byte
}

const gone = math.MinInt64

// New returns a limiter without buckets.
func New() *Limiter {
	l := &Limiter{seed: maphash.MakeSeed()}
	for i := range l.shard {
		l.shard[i].buckets = map[string]*bucket{}
	}
	return l
}

// Admit decides about one request of key at now, and charges it when it is allowed. A refused request is not charged.
func (l *Limiter) Admit(key string, r Rate, now time.Time) Decision {
	if r.Unlimited() {
		return Decision{Allowed: true}
	}
	burst := r.Burst
	if burst <= 0 {
		burst = r.Requests
	}
	interval := max(int64(r.Per)/int64(r.Requests), 1)
	for b := l.bucket(key); ; {
		old := b.arrival.Load()
		if old == gone {
			b = l.bucket(key)
			continue
		}
		d, next := decide(old, now.UnixNano(), interval, int64(burst))
		if !d.Allowed || b.arrival.CompareAndSwap(old, next) {
			return d
		}
	}
}

// decide is the algorithm. All in nanoseconds.
func decide(arrival, now, interval, burst int64) (Decision, int64) {
	tolerance := interval * burst
	next := max(arrival, now) + interval
	ahead := next - now
	d := Decision{Limit: int(burst)}
	if ahead > tolerance {
		d.RetryAfter = time.Duration(ahead - tolerance)
		d.Reset = time.Duration(ahead - interval)
		return d, arrival
	}
	d.Allowed = true
	d.Remaining = int((tolerance - ahead) / interval)
	d.Reset = time.Duration(ahead)
	return d, next
}

func (l *Limiter) bucket(key string) *bucket {
	s := &l.shard[maphash.String(l.seed, key)%shards]
	s.mu.RLock()
	b := s.buckets[key]
	s.mu.RUnlock()
	if b != nil && b.arrival.Load() != gone {
		return b
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b = s.buckets[key]; b == nil || b.arrival.Load() == gone {
		b = new(bucket)
		s.buckets[key] = b
	}
	return b
}

// Sweep forgets the buckets that are full again at now, which say no more than a new one would. It returns how many are left.
func (l *Limiter) Sweep(now time.Time) int {
	left := 0
	for i := range l.shard {
		s := &l.shard[i]
		s.mu.Lock()
		for key, b := range s.buckets {
			if old := b.arrival.Load(); old <= now.UnixNano() && b.arrival.CompareAndSwap(old, gone) {
				delete(s.buckets, key)
			}
		}
		left += len(s.buckets)
		s.mu.Unlock()
	}
	return left
}
