// Package auth carries who is calling. A Principal is established once, at the front door, then travels in the context
// inside a process and in metadata between processes. Nothing here decides what a principal may do: it says who it is,
// and the owner of the thing decides.
package auth

import (
	"context"
	"slices"
)

// Kind tells people from programs.
type Kind string

// The kinds of principal.
const (
	User           Kind = "user"            // a person
	ServiceAccount Kind = "service_account" // a program of the user's
	Internal       Kind = "internal"        // a service of the platform, acting for itself
)

// Admins is the group whose members may do everything.
const Admins = "admins"

// Principal is a caller whose identity has been proved.
type Principal struct {
	Name   string   `json:"name"`
	Kind   Kind     `json:"kind"`
	Groups []string `json:"groups,omitempty"`
	Scopes []string `json:"scopes,omitempty"` // what the credential was made for; empty: everything its holder may do
}

// Service is a service of the platform acting for itself, not on behalf of a caller.
func Service(name string) Principal { return Principal{Name: name, Kind: Internal} }

// IsAdmin reports whether p may do everything: a service of the platform, or a member of Admins.
func (p Principal) IsAdmin() bool { return p.Kind == Internal || p.InGroup(Admins) }

// InGroup reports whether p is a member of g.
func (p Principal) InGroup(g string) bool { return slices.Contains(p.Groups, g) }

// HasScope reports whether the credential of p was made for s. A credential without scopes was made for everything.
func (p Principal) HasScope(s string) bool { return len(p.Scopes) == 0 || slices.Contains(p.Scopes, s) }

type key struct{}

// With is ctx on behalf of p.
func With(ctx context.Context, p Principal) context.Context { return context.WithValue(ctx, key{}, p) }

// From is the principal of ctx; false when nobody is known.
func From(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(key{}).(Principal)
	return p, ok
}
