package testkit

import (
	"testing"
	"time"
)

// signalBuffer is more than any test fires before it waits.
const signalBuffer = 1024

// Signal is how code under test tells a test that something happened. Fire never blocks; Wait takes what was fired, in
// order, and fails the test when nothing comes.
type Signal[T any] struct{ c chan T }

// NewSignal is a signal with room for what happens before anyone waits.
func NewSignal[T any]() *Signal[T] { return &Signal[T]{c: make(chan T, signalBuffer)} }

// Fire tells that v happened. On a nil Signal it does nothing, so that code may hold one that only tests set.
func (s *Signal[T]) Fire(v T) {
	if s == nil {
		return
	}
	select {
	case s.c <- v:
	default: // a test that does not look cannot miss it
	}
}

// C is the channel behind Wait, for a select.
func (s *Signal[T]) C() <-chan T { return s.c }

// Wait is the next thing that happened.
func (s *Signal[T]) Wait(t testing.TB) T {
	t.Helper()
	select {
	case v := <-s.c:
		return v
	case <-time.After(Patience):
		t.Fatalf("no signal within %v", Patience)
		panic("unreachable")
	}
}

// None fails the test when something has already happened.
func (s *Signal[T]) None(t testing.TB) {
	t.Helper()
	select {
	case v := <-s.c:
		t.Fatalf("unexpected signal: %v", v)
	default:
	}
}
