// Package drift measures how far a current sample has moved from a reference.
//
// It answers two different questions about one column, and keeps them apart. A
// hypothesis test (Kolmogorov–Smirnov, χ² contingency, Fisher) says whether the
// two samples could come from one distribution; with a million rows it says "no"
// to differences nobody cares about. An effect size (Wasserstein,
// Jensen–Shannon, PSI, total variation, L∞) says how large the difference is, and
// says nothing about noise. A decision needs both, and a correction for looking
// at many columns at once (Benjamini–Hochberg), which is here too.
//
// The package is pure arithmetic: no clock, no I/O, no randomness, the same
// answer for the same numbers on every machine. Every function is written from
// the paper its comment names; scipy serves only as the oracle of the golden
// corpus in testdata.
//
// Two conventions hold everywhere. The reference (the baseline) comes first, the
// current sample second. NaN and ±Inf are not observations: constructors drop
// them, so callers who care count them before.
package drift

import (
	"errors"
	"fmt"
)

var (
	// ErrTooFew says that a sample holds too few observations for the question.
	// A statistic of nothing is not zero: callers show "insufficient data".
	ErrTooFew = errors.New("too few observations")

	// ErrShape says that two vectors which describe the same categories or bins
	// differ in length, or that edges are not increasing.
	ErrShape = errors.New("vectors do not fit together")

	// ErrDomain says that an argument lies outside the function's domain: a
	// negative count, a probability above one.
	ErrDomain = errors.New("argument outside the domain")
)

func tooFew(what string, nRef, nCur, need int) error {
	return fmt.Errorf("%s: %w: reference has %d, current has %d, each needs %d", what, ErrTooFew, nRef, nCur, need)
}
