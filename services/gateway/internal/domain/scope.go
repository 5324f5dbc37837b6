package domain

import (
	"slices"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Scope is what a token may be used for, whoever it speaks for.
type Scope string

// The scopes.
const (
	ScopeAll       Scope = "all"       // everything that its principal may do
	ScopeInference Scope = "inference" // the model surfaces, and nothing else
	ScopeRead      Scope = "read"      // what only looks
)

// Scopes of one token: sorted, each once, at least one.
type Scopes []Scope

// ParseScopes reads what a caller asks for; none is ScopeAll. ScopeAll swallows the others.
func ParseScopes(names []string) (Scopes, error) {
	if len(names) == 0 {
		return Scopes{ScopeAll}, nil
	}
	var out Scopes
	for _, n := range names {
		switch s := Scope(n); s {
		case ScopeAll, ScopeInference, ScopeRead:
			out = append(out, s)
		default:
			return nil, fault.New("domain.ParseScopes", fault.Invalid, "unknown scope %q: a scope is all, inference or read", n).WithReason("SCOPE_INVALID")
		}
	}
	if slices.Contains(out, ScopeAll) {
		return Scopes{ScopeAll}, nil
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Covers reports whether everything that o allows is allowed by s: nobody may make a token stronger than the one in hand.
func (s Scopes) Covers(o Scopes) bool {
	if slices.Contains(s, ScopeAll) {
		return true
	}
	for _, x := range o {
		if !slices.Contains(s, x) {
			return false
		}
	}
	return true
}

// Strings is the scopes' names.
func (s Scopes) Strings() []string {
	out := make([]string, len(s))
	for i, x := range s {
		out[i] = string(x)
	}
	return out
}

// String joins the names.
func (s Scopes) String() string { return strings.Join(s.Strings(), ", ") }
