package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// GetEndpoint returns an endpoint to one who may query or change it. What it says is active, gateways route by.
func (s *Service) GetEndpoint(ctx context.Context, name string) (*domain.Endpoint, error) {
	e, err := s.visible(ctx, "serving.GetEndpoint", name, domain.Execute, domain.Manage)
	if err != nil {
		return nil, err
	}
	s.published(ctx)
	return e, nil
}

// visible is the endpoint of a name for one who has any of the privileges on it.
func (s *Service) visible(ctx context.Context, op, name string, anyOf ...domain.Privilege) (*domain.Endpoint, error) {
	e, err := s.Store.ByName(ctx, name)
	if err != nil {
		return nil, err
	}
	return e, s.require(ctx, op, name, anyOf...)
}
