package clock

import (
	"slices"
	"sync"
	"time"
)

// Fake is a clock that stands still until Advance moves it. Timers and tickers fire inside Advance, in the order of their
// times.
type Fake struct {
	mu      sync.Mutex
	changed *sync.Cond
	now     time.Time
	waiters []*waiter
}

type waiter struct {
	at    time.Time
	every time.Duration // 0: fires once
	c     chan time.Time
}

// NewFake is a clock that shows t.
func NewFake(t time.Time) *Fake {
	f := &Fake{now: t}
	f.changed = sync.NewCond(&f.mu)
	return f
}

// Now is the time shown.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// After fires once when the clock has been advanced by d.
func (f *Fake) After(d time.Duration) <-chan time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := &waiter{at: f.now.Add(d), c: make(chan time.Time, 1)}
	if d <= 0 {
		w.c <- f.now
		return w.c
	}
	f.add(w)
	return w.c
}

// NewTicker fires whenever the clock passes another d.
func (f *Fake) NewTicker(d time.Duration) Ticker {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := &waiter{at: f.now.Add(d), every: d, c: make(chan time.Time, 1)}
	f.add(w)
	return &fakeTicker{f: f, w: w}
}

// Advance moves the clock by d, stopping at every timer on the way so that each sees its own time.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	end := f.now.Add(d)
	for {
		next := f.earliest()
		if next == nil || next.at.After(end) {
			break
		}
		f.now = next.at
		select {
		case next.c <- f.now:
		default: // a tick nobody took is dropped
		}
		if next.every > 0 {
			next.at = next.at.Add(next.every)
		} else {
			f.remove(next)
		}
	}
	f.now = end
}

// Await returns once at least n timers and tickers wait on the clock: the moment when advancing it is meaningful.
func (f *Fake) Await(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.waiters) < n {
		f.changed.Wait()
	}
}

func (f *Fake) add(w *waiter) {
	f.waiters = append(f.waiters, w)
	f.changed.Broadcast()
}

func (f *Fake) remove(w *waiter) {
	f.waiters = slices.DeleteFunc(f.waiters, func(x *waiter) bool { return x == w })
	f.changed.Broadcast()
}

func (f *Fake) earliest() *waiter {
	var first *waiter
	for _, w := range f.waiters {
		if first == nil || w.at.Before(first.at) {
			first = w
		}
	}
	return first
}

type fakeTicker struct {
	f *Fake
	w *waiter
}

func (t *fakeTicker) C() <-chan time.Time { return t.w.c }

func (t *fakeTicker) Reset(d time.Duration) {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	t.w.at, t.w.every = t.f.now.Add(d), d
	if !slices.Contains(t.f.waiters, t.w) {
		t.f.add(t.w)
	}
}

func (t *fakeTicker) Stop() {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	t.f.remove(t.w)
}
