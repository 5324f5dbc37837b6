package domain

import (
	"slices"
	"time"
)

// Grant is one privilege of one principal on one securable.
type Grant struct {
	SecurableID string
	Securable   Ref
	Principal   string // a user, a service account or a group: they share one namespace
	Privilege   Privilege
	Grantor     string
	CreateTime  time.Time
}

// GrantChange is privileges of one principal to add and to remove.
type GrantChange struct {
	Principal string
	Add       []Privilege
	Remove    []Privilege
}

// CheckGrantChanges refuses changes that say nothing, contradict each other or give what cannot be given on a thing of
// type t. It returns them with normalized principals.
func CheckGrantChanges(t SecurableType, changes []GrantChange) ([]GrantChange, error) {
	seen := map[string]bool{}
	out := make([]GrantChange, 0, len(changes))
	for _, c := range changes {
		principal, err := ParsePrincipal(c.Principal)
		if err != nil {
			return nil, err
		}
		if seen[principal] {
			return nil, invalid("GRANT_INVALID", "principal %q is named twice", principal)
		}
		seen[principal] = true
		if len(c.Add)+len(c.Remove) == 0 {
			return nil, invalid("GRANT_INVALID", "nothing to add or remove for principal %q", principal)
		}
		for _, p := range slices.Concat(c.Add, c.Remove) {
			if !p.Known() {
				return nil, invalid("GRANT_INVALID", "there is no privilege %q", p)
			}
			if !p.GrantableOn(t) {
				return nil, invalid("GRANT_INVALID", "%s cannot be granted on a %s", p, t)
			}
			if slices.Contains(c.Add, p) && slices.Contains(c.Remove, p) {
				return nil, invalid("GRANT_INVALID", "%s of %q is to be both added and removed", p, principal)
			}
		}
		out = append(out, GrantChange{Principal: principal, Add: c.Add, Remove: c.Remove})
	}
	return out, nil
}
