package domain

import (
	"slices"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Caller is whom a decision is about.
type Caller struct {
	Name   string
	Groups []string
	Admin  bool // may do everything
}

// Grantees is the names under which the caller may hold grants or own things.
func (c Caller) Grantees() []string {
	return slices.Compact(slices.Sorted(slices.Values(append([]string{c.Name}, c.Groups...))))
}

// Admins is the group that owns the metastore. Users and groups share one namespace, and nobody becomes the admins by
// being called so.
const Admins = "admins"

func (c Caller) is(principal string) bool {
	return c.Name == principal && principal != Admins || slices.Contains(c.Groups, principal)
}

// Access is what one caller holds along the path to one securable. It is the single place where access is decided: every
// verb, every list and CheckAccess ask it.
//
// The rules. Whoever owns a thing, or holds a privilege on it, has the same on everything below it. To reach a thing one
// passes through everything above it: USE_CATALOG on the catalog, USE_SCHEMA on the schema. Whoever cannot pass learns
// nothing: the answer is the same whether or not the thing, or the schema it would be in, exists. Whoever can pass sees
// that the thing exists, and is told what is missing.
type Access struct {
	caller Caller
	path   []Ref
	chain  []Securable // the part of path that exists
	grants Held
}

// Held is grants in a form that answers quickly. Made once, it serves many decisions.
type Held map[heldKey][]string

type heldKey struct {
	securableID string
	privilege   Privilege
}

// Holdings sorts grants for decisions.
func Holdings(grants []Grant) Held {
	h := make(Held, len(grants))
	for _, g := range grants {
		k := heldKey{g.SecurableID, g.Privilege}
		h[k] = append(h[k], g.Principal)
	}
	return h
}

// NewAccess judges caller on the path to ref. found gives the securables that exist, by ref, and grants what is granted
// on them; both may hold more than is asked for.
func NewAccess(caller Caller, ref Ref, found map[Ref]Securable, grants Held) Access {
	a := Access{caller: caller, path: ref.Path(), grants: grants}
	for _, r := range a.path {
		s, ok := found[r]
		if !ok {
			break
		}
		a.chain = append(a.chain, s)
	}
	return a
}

// holds reports whether the caller has p on the thing at a level of the path, by owning or being granted it there or
// above. A level that does not exist can still inherit.
func (a Access) holds(level int, p Privilege) bool {
	if a.caller.Admin {
		return true
	}
	for _, s := range a.chain[:min(level+1, len(a.chain))] {
		if a.caller.is(s.Owner) || slices.ContainsFunc(a.grants[heldKey{s.ID, p}], a.caller.is) {
			return true
		}
	}
	return false
}

// Decision is an answer.
type Decision struct {
	Allowed bool
	Visible bool   // the caller may know that the thing exists
	Reason  string // what is missing, for people; reveals nothing that the caller may not know
}

// Decide says whether the caller may do what any one of the privileges allows.
func (a Access) Decide(anyOf ...Privilege) Decision {
	leaf := len(a.path) - 1
	if why := a.blocked(leaf); why != "" {
		return Decision{Reason: why}
	}
	if leaf >= len(a.chain) {
		return Decision{Reason: a.path[leaf].String() + " does not exist"}
	}
	return a.decideAt(leaf, anyOf)
}

func (a Access) decideAt(level int, anyOf []Privilege) Decision {
	names := make([]string, 0, len(anyOf))
	for _, p := range anyOf {
		if a.holds(level, p) {
			return Decision{Allowed: true, Visible: true}
		}
		names = append(names, string(p))
	}
	return Decision{Visible: true, Reason: "needs " + strings.Join(names, " or ") + " on " + a.path[level].String()}
}

// blocked says what keeps the caller from passing to the thing at a level; empty when nothing does.
func (a Access) blocked(level int) string {
	for i, r := range a.path[:level] {
		if need := passage(r.Type); need != "" && !a.holds(i, need) {
			return "needs " + string(need) + " on " + r.FullName
		}
		if i >= len(a.chain) {
			return r.String() + " does not exist"
		}
	}
	return ""
}

// Require is nil when Decide allows. Otherwise it is NotFound when the caller may not know whether the thing exists,
// else PermissionDenied.
func (a Access) Require(op string, anyOf ...Privilege) error {
	return a.fault(op, a.path[len(a.path)-1], a.Decide(anyOf...))
}

// RequireCreate is nil when the caller may make the thing that the path ends in: it can pass through everything above,
// and holds p on the parent.
func (a Access) RequireCreate(op string, p Privilege) error {
	leaf := len(a.path) - 1
	parent := a.path[leaf-1]
	if why := a.blocked(leaf); why != "" {
		return a.fault(op, parent, Decision{Reason: why})
	}
	return a.fault(op, parent, a.decideAt(leaf-1, []Privilege{p}))
}

func (a Access) fault(op string, about Ref, d Decision) error {
	switch {
	case d.Allowed:
		return nil
	case d.Visible:
		return fault.New(op, fault.PermissionDenied, "%s %s", a.caller.Name, d.Reason).WithReason("MISSING_PRIVILEGE")
	case strings.HasPrefix(d.Reason, "needs "):
		return fault.New(op, fault.NotFound, "%s not found, or not visible to %s, who %s", about, a.caller.Name, d.Reason)
	case d.Reason == about.String()+" does not exist":
		return fault.New(op, fault.NotFound, "%s not found", about)
	}
	return fault.New(op, fault.NotFound, "%s not found: %s", about, d.Reason)
}

// Subject is the securable that the path ends in; the zero Securable when it does not exist.
func (a Access) Subject() Securable {
	if len(a.chain) == len(a.path) {
		return a.chain[len(a.chain)-1]
	}
	return Securable{}
}

// Parent is the securable above the one that the path ends in; the zero Securable when it does not exist.
func (a Access) Parent() Securable {
	if n := len(a.path); n > 1 && len(a.chain) >= n-1 {
		return a.chain[n-2]
	}
	return Securable{}
}

// IDs is the ids of what exists on the path, from the metastore down.
func (a Access) IDs() []string {
	ids := make([]string, len(a.chain))
	for i, s := range a.chain {
		ids[i] = s.ID
	}
	return ids
}

// Hears reports whether the caller is told of what happens to the thing: it may see it, or, when the thing is gone, could
// see it by what it holds on what is left above.
func (a Access) Hears() bool {
	leaf := len(a.path) - 1
	if leaf == 0 || a.caller.Admin {
		return true
	}
	for i, r := range a.path[:leaf] {
		if need := passage(r.Type); need != "" && !a.holds(i, need) {
			return false
		}
	}
	return slices.ContainsFunc(Browse(a.path[leaf].Type), func(p Privilege) bool { return a.holds(leaf, p) })
}

// Caller is whom the access is of.
func (a Access) Caller() Caller { return a.caller }
