// Package domain is the registry's nouns and the rules that hold for them wherever they are stored and however they are
// asked for: what a name may look like, who may do what, how a model version lives, what a prompt template says, what
// follows from what. It reads no clock, opens no file and knows neither wire nor table; everything here can be decided
// from the values at hand.
//
// The catalog is a tree of securables:
//
//	metastore ─┬─ catalog ── schema ─┬─ model ── version 1, 2, 3 …
//	           │                     └─ prompt ── version 1, 2, 3 …
//	           └─ endpoint            (flat; another service owns it, grants on it live here)
//
// A model and a prompt are both lines: named sequences of numbered, immutable versions, with aliases that point at one of
// them. Grants inherit down the tree.
package domain

import "github.com/slipway-ai/slipway/pkg/fault"

func invalid(reason, format string, args ...any) error {
	return fault.New("registry.domain", fault.Invalid, format, args...).WithReason(reason)
}
