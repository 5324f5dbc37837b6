package api

import (
	"context"

	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/flow"
)

type access struct {
	registryv1.UnimplementedAccessServiceServer
	v Verbs
}

func (s access) UpdateGrants(ctx context.Context, r *registryv1.UpdateGrantsRequest) (*registryv1.UpdateGrantsResponse, error) {
	typ, name := securableIn(r.GetSecurable())
	grants, err := s.v.Grants.Update(ctx, typ, name, each(r.GetChanges(), func(c *registryv1.GrantChange) domain.GrantChange {
		return domain.GrantChange{Principal: c.GetPrincipal(), Add: each(c.GetAdd(), privilegeIn), Remove: each(c.GetRemove(), privilegeIn)}
	}))
	if err != nil {
		return nil, err
	}
	return &registryv1.UpdateGrantsResponse{Grants: each(grants, grantOut)}, nil
}

func (s access) ListGrants(ctx context.Context, r *registryv1.ListGrantsRequest) (*registryv1.ListGrantsResponse, error) {
	typ, name := securableIn(r.GetSecurable())
	grants, err := s.v.Grants.List(ctx, typ, name, r.GetPrincipal(), r.GetIncludeInherited())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListGrantsResponse{Grants: each(grants, grantOut)}, nil
}

func (s access) CheckAccess(ctx context.Context, r *registryv1.CheckAccessRequest) (*registryv1.CheckAccessResponse, error) {
	answers, err := s.v.Grants.Check(ctx, each(r.GetQuestions(), func(q *registryv1.AccessQuestion) flow.Question {
		typ, name := securableIn(q.GetSecurable())
		return flow.Question{Type: typ, FullName: name, Privilege: privilegeIn(q.GetPrivilege())}
	}), r.GetPrincipal(), r.GetGroups())
	if err != nil {
		return nil, err
	}
	return &registryv1.CheckAccessResponse{Answers: each(answers, func(d domain.Decision) *registryv1.AccessAnswer {
		return &registryv1.AccessAnswer{Allowed: d.Allowed, Visible: d.Visible, Reason: d.Reason}
	})}, nil
}

func (s access) RegisterSecurable(ctx context.Context, r *registryv1.RegisterSecurableRequest) (*registryv1.RegisterSecurableResponse, error) {
	typ, name := securableIn(r.GetSecurable())
	if err := s.v.Grants.Register(ctx, typ, name, r.GetOwner()); err != nil {
		return nil, err
	}
	return &registryv1.RegisterSecurableResponse{}, nil
}

func (s access) UnregisterSecurable(ctx context.Context, r *registryv1.UnregisterSecurableRequest) (*registryv1.UnregisterSecurableResponse, error) {
	typ, name := securableIn(r.GetSecurable())
	if err := s.v.Grants.Unregister(ctx, typ, name); err != nil {
		return nil, err
	}
	return &registryv1.UnregisterSecurableResponse{}, nil
}

func grantOut(g domain.Grant) *registryv1.Grant {
	return &registryv1.Grant{
		Principal: g.Principal, Privilege: privilegeOut(g.Privilege), Securable: securableOut(g.Securable), Grantor: g.Grantor, CreateTime: timeOut(g.CreateTime),
	}
}
