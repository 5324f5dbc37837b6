package flow

import (
	"context"
	"slices"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// Question is whether a privilege is held on a securable.
type Question struct {
	Type      domain.SecurableType
	FullName  string
	Privilege domain.Privilege
}

// Check answers questions about the caller, in order. Services of the platform and admins may ask about another principal,
// whose groups they then say.
func (g Grants) Check(ctx context.Context, questions []Question, principal string, groups []string) ([]domain.Decision, error) {
	const op = "registry.CheckAccess"
	c, err := caller(ctx, op)
	if err != nil {
		return nil, err
	}
	switch {
	case principal == "" && len(groups) > 0:
		return nil, fault.New(op, fault.Invalid, "groups are of a principal: say which").WithReason("PRINCIPAL_INVALID")
	case principal != "" && !c.Admin:
		return nil, fault.New(op, fault.PermissionDenied, "only admins and services of the platform may ask about another principal").WithReason("ADMIN_ONLY")
	case principal != "":
		c = domain.Caller{Name: principal, Groups: groups, Admin: slices.Contains(groups, auth.Admins)}
	}
	refs := make([]domain.Ref, len(questions))
	for i, q := range questions {
		if !q.Privilege.Known() {
			return nil, fault.New(op, fault.Invalid, "question %d names no privilege", i+1).WithReason("GRANT_INVALID")
		}
		if refs[i], err = domain.ParseRef(q.Type, q.FullName); err != nil {
			return nil, fault.Wrap(op, fault.Invalid, err, "question %d: %s", i+1, fault.Text(err)).WithReason(fault.Reason(err))
		}
	}
	accesses, err := judge(ctx, g.Store, c, refs...)
	if err != nil {
		return nil, err
	}
	answers := make([]domain.Decision, len(questions))
	for i, q := range questions {
		answers[i] = accesses[i].Decide(q.Privilege)
	}
	return answers, nil
}
