package api

import (
	"context"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	gatewayv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gateway/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/flow"
)

// PrincipalService serves principals and tokens.
type PrincipalService struct {
	gatewayv1.UnimplementedPrincipalServiceServer
	Flow *flow.Principals
}

// PutPrincipal implements gatewayv1.PrincipalServiceServer.
func (s *PrincipalService) PutPrincipal(ctx context.Context, r *gatewayv1.PutPrincipalRequest) (*gatewayv1.PutPrincipalResponse, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.Flow.PutPrincipal(ctx, who, domain.Principal{
		Name: r.GetName(), Kind: kindOf(r.GetKind()), Groups: r.GetGroups(), Disabled: r.GetDisabled(), RequestsPerMinute: r.GetRequestsPerMinute(),
	})
	if err != nil {
		return nil, err
	}
	return &gatewayv1.PutPrincipalResponse{Principal: principal(p)}, nil
}

// GetPrincipal implements gatewayv1.PrincipalServiceServer.
func (s *PrincipalService) GetPrincipal(ctx context.Context, r *gatewayv1.GetPrincipalRequest) (*gatewayv1.GetPrincipalResponse, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.Flow.GetPrincipal(ctx, who, r.GetName())
	if err != nil {
		return nil, err
	}
	return &gatewayv1.GetPrincipalResponse{Principal: principal(p)}, nil
}

// ListPrincipals implements gatewayv1.PrincipalServiceServer.
func (s *PrincipalService) ListPrincipals(ctx context.Context, r *gatewayv1.ListPrincipalsRequest) (*gatewayv1.ListPrincipalsResponse, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	list, next, err := s.Flow.ListPrincipals(ctx, who, r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &gatewayv1.ListPrincipalsResponse{Principals: each(list, principal), NextPageToken: next}, nil
}

// CreateToken implements gatewayv1.PrincipalServiceServer.
func (s *PrincipalService) CreateToken(ctx context.Context, r *gatewayv1.CreateTokenRequest) (*gatewayv1.CreateTokenResponse, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	lifetime, err := lifetimeOf(r)
	if err != nil {
		return nil, err
	}
	t, text, err := s.Flow.CreateToken(ctx, who, flow.NewToken{
		Principal: r.GetPrincipal(), Comment: r.GetComment(), Scopes: r.GetScopes(), Lifetime: lifetime,
	})
	if err != nil {
		return nil, err
	}
	return &gatewayv1.CreateTokenResponse{Token: token(t), Secret: text.Reveal()}, nil
}

// lifetimeOf tells "no lifetime" from one that is there and not positive.
func lifetimeOf(r *gatewayv1.CreateTokenRequest) (time.Duration, error) {
	d := r.GetLifetime()
	if d == nil {
		return 0, nil
	}
	if d.CheckValid() != nil || d.AsDuration() <= 0 {
		return 0, fault.New("api.CreateToken", fault.Invalid, "lifetime must be positive; leave it out for a token that does not end").WithReason("LIFETIME_INVALID")
	}
	return d.AsDuration(), nil
}

// ListTokens implements gatewayv1.PrincipalServiceServer.
func (s *PrincipalService) ListTokens(ctx context.Context, r *gatewayv1.ListTokensRequest) (*gatewayv1.ListTokensResponse, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	list, next, err := s.Flow.ListTokens(ctx, who, r.GetPrincipal(), r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &gatewayv1.ListTokensResponse{Tokens: each(list, token), NextPageToken: next}, nil
}

// RevokeToken implements gatewayv1.PrincipalServiceServer.
func (s *PrincipalService) RevokeToken(ctx context.Context, r *gatewayv1.RevokeTokenRequest) (*gatewayv1.RevokeTokenResponse, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Flow.RevokeToken(ctx, who, r.GetTokenId()); err != nil {
		return nil, err
	}
	return &gatewayv1.RevokeTokenResponse{}, nil
}

func kindOf(k gatewayv1.PrincipalKind) domain.Kind {
	switch k {
	case gatewayv1.PrincipalKind_PRINCIPAL_KIND_UNSPECIFIED, gatewayv1.PrincipalKind_PRINCIPAL_KIND_USER:
		return domain.User
	case gatewayv1.PrincipalKind_PRINCIPAL_KIND_SERVICE_ACCOUNT:
		return domain.ServiceAccount
	}
	return domain.Kind(k.String()) // a number that this version does not know; the domain refuses it
}

func principal(p domain.Principal) *gatewayv1.Principal {
	kind := gatewayv1.PrincipalKind_PRINCIPAL_KIND_USER
	if p.Kind == domain.ServiceAccount {
		kind = gatewayv1.PrincipalKind_PRINCIPAL_KIND_SERVICE_ACCOUNT
	}
	return &gatewayv1.Principal{
		Name: p.Name, Kind: kind, Groups: p.Groups, Disabled: p.Disabled, RequestsPerMinute: p.RequestsPerMinute, CreateTime: stamp(p.CreateTime),
	}
}

func token(t domain.Token) *gatewayv1.Token {
	return &gatewayv1.Token{
		TokenId: t.ID, Principal: t.Principal, Comment: t.Comment, Scopes: t.Scopes.Strings(), Creator: t.Creator,
		ExpireTime: stamp(t.ExpireTime), CreateTime: stamp(t.CreateTime), LastUsedTime: stamp(t.LastUsedTime),
	}
}
