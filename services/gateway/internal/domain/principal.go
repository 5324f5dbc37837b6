package domain

import (
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Kind tells people from programs.
type Kind string

// The kinds of principal that can hold tokens.
const (
	User           Kind = "user"
	ServiceAccount Kind = "service_account"
)

const (
	// Admin is the principal that the first start creates.
	Admin = "admin"
	// Admins is the group whose members may do everything.
	Admins = "admins"
	// Me stands for the caller wherever a principal is named, so nobody can be called that.
	Me = "me"
	// Unlimited is the RequestsPerMinute of a principal without a limit.
	Unlimited = -1
)

// Principal is who a token speaks for.
type Principal struct {
	Name              string
	Kind              Kind
	Groups            []string // sorted, each once
	Disabled          bool
	RequestsPerMinute int32 // on the inference surfaces; 0 takes the configured default, Unlimited has none
	CreateTime        time.Time
	UpdateTime        time.Time
}

// Checked is p with its groups in order, or why it cannot be.
func (p Principal) Checked() (Principal, error) {
	const op = "domain.Principal"
	if err := label(op, "the principal's name", p.Name); err != nil {
		return p, err
	}
	// Grants are given to principals and groups alike, by name. A user called like the group of all power would have it.
	if p.Name == Admins || p.Name == Me {
		return p, fault.New(op, fault.Invalid, "a principal cannot be called %q", p.Name).WithReason("NAME_RESERVED")
	}
	switch p.Kind {
	case User, ServiceAccount:
	case "":
		p.Kind = User
	default:
		return p, fault.New(op, fault.Invalid, "a principal is a user or a service account").WithReason("KIND_INVALID")
	}
	for _, g := range p.Groups {
		if err := label(op, "a group's name", g); err != nil {
			return p, err
		}
	}
	if p.RequestsPerMinute < Unlimited {
		return p, fault.New(op, fault.Invalid, "requests_per_minute is a number, 0 for the default or -1 for no limit").WithReason("LIMIT_INVALID")
	}
	p.Groups = set(p.Groups)
	return p, nil
}

// IsAdmin reports whether p may do everything.
func (p Principal) IsAdmin() bool {
	for _, g := range p.Groups {
		if g == Admins {
			return !p.Disabled
		}
	}
	return false
}
