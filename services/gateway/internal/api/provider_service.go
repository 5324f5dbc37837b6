package api

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/config"
	gatewayv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gateway/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/flow"
)

// ProviderService serves external model providers.
type ProviderService struct {
	gatewayv1.UnimplementedProviderServiceServer
	Flow *flow.Providers
}

// PutProvider implements gatewayv1.ProviderServiceServer.
func (s *ProviderService) PutProvider(ctx context.Context, r *gatewayv1.PutProviderRequest) (*gatewayv1.PutProviderResponse, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.Flow.PutProvider(ctx, who, flow.PutProvider{Name: r.GetName(), BaseURL: r.GetBaseUrl(), Key: config.Secret(r.GetApiKey())})
	if err != nil {
		return nil, err
	}
	return &gatewayv1.PutProviderResponse{Provider: provider(p)}, nil
}

// GetProvider implements gatewayv1.ProviderServiceServer.
func (s *ProviderService) GetProvider(ctx context.Context, r *gatewayv1.GetProviderRequest) (*gatewayv1.GetProviderResponse, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.Flow.GetProvider(ctx, who, r.GetName())
	if err != nil {
		return nil, err
	}
	return &gatewayv1.GetProviderResponse{Provider: provider(p)}, nil
}

// ListProviders implements gatewayv1.ProviderServiceServer.
func (s *ProviderService) ListProviders(ctx context.Context, r *gatewayv1.ListProvidersRequest) (*gatewayv1.ListProvidersResponse, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	list, next, err := s.Flow.ListProviders(ctx, who, r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &gatewayv1.ListProvidersResponse{Providers: each(list, provider), NextPageToken: next}, nil
}

// DeleteProvider implements gatewayv1.ProviderServiceServer.
func (s *ProviderService) DeleteProvider(ctx context.Context, r *gatewayv1.DeleteProviderRequest) (*gatewayv1.DeleteProviderResponse, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Flow.DeleteProvider(ctx, who, r.GetName()); err != nil {
		return nil, err
	}
	return &gatewayv1.DeleteProviderResponse{}, nil
}

func provider(p domain.Provider) *gatewayv1.Provider {
	return &gatewayv1.Provider{
		Name: p.Name, BaseUrl: p.BaseURL, HasApiKey: p.HasKey(), ApiKeyHint: p.KeyHint, CreateTime: stamp(p.CreateTime), UpdateTime: stamp(p.UpdateTime),
	}
}
