// Package domain is what the gateway knows by heart: who may come in (principals, tokens and their scopes) and where it
// calls out to (providers). It holds the nouns and the rules that are true of them wherever they are stored and however
// they arrive, and knows neither stores nor wires.
package domain

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// MaxNameBytes is the longest name of a principal or group.
const MaxNameBytes = 255

// label checks a free name, such as a group's: what people type, without what would make two names look alike on a
// terminal or break a log line.
func label(op, what, s string) error {
	switch {
	case s == "":
		return fault.New(op, fault.Invalid, "%s must not be empty", what).WithReason("NAME_INVALID")
	case len(s) > MaxNameBytes:
		return fault.New(op, fault.Invalid, "%s is longer than %d bytes", what, MaxNameBytes).WithReason("NAME_INVALID")
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fault.New(op, fault.Invalid, "%s must be printable UTF-8", what).WithReason("NAME_INVALID")
	case strings.TrimSpace(s) != s:
		return fault.New(op, fault.Invalid, "%s must not begin or end with a space", what).WithReason("NAME_INVALID")
	}
	return nil
}

// Storable reports whether every store can keep s: PostgreSQL has no NUL in its texts. A name that is not storable names
// nothing.
func Storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// set is s sorted, each once; never nil, so that "none" is written one way.
func set(s []string) []string {
	out := slices.Sorted(slices.Values(s))
	if out == nil {
		return []string{}
	}
	return slices.Compact(out)
}
