package api

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/page"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/serving/internal/flow"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// Endpoints is the EndpointService.
type Endpoints struct {
	servingv1.UnimplementedEndpointServiceServer
	flow *flow.Service
}

// NewEndpoints serves the verbs of f.
func NewEndpoints(f *flow.Service) *Endpoints { return &Endpoints{flow: f} }

// CreateEndpoint makes an endpoint.
func (s *Endpoints) CreateEndpoint(ctx context.Context, req *servingv1.CreateEndpointRequest) (*servingv1.CreateEndpointResponse, error) {
	config, err := readConfig(req.GetConfig())
	if err != nil {
		return nil, err
	}
	e, err := s.flow.CreateEndpoint(ctx, flow.NewEndpoint{Name: req.GetName(), Description: req.GetDescription(), Tags: req.GetTags(), Config: config})
	if err != nil {
		return nil, err
	}
	return &servingv1.CreateEndpointResponse{Endpoint: writeEndpoint(e)}, nil
}

// GetEndpoint returns one endpoint.
func (s *Endpoints) GetEndpoint(ctx context.Context, req *servingv1.GetEndpointRequest) (*servingv1.GetEndpointResponse, error) {
	e, err := s.flow.GetEndpoint(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return &servingv1.GetEndpointResponse{Endpoint: writeEndpoint(e)}, nil
}

// endpointKey is where a page of endpoints ended.
type endpointKey struct {
	Name string `json:"name"`
}

// ListEndpoints lists the endpoints that the caller may see.
func (s *Endpoints) ListEndpoints(ctx context.Context, req *servingv1.ListEndpointsRequest) (*servingv1.ListEndpointsResponse, error) {
	size, err := page.Size(req.GetPageSize(), defaultPage, maxPage)
	if err != nil {
		return nil, err
	}
	var after endpointKey
	if err := page.Decode(req.GetPageToken(), &after); err != nil {
		return nil, err
	}
	found, more, err := s.flow.ListEndpoints(ctx, after.Name, size)
	if err != nil {
		return nil, err
	}
	out := &servingv1.ListEndpointsResponse{}
	for _, e := range found {
		out.Endpoints = append(out.Endpoints, writeEndpoint(e))
	}
	if more {
		out.NextPageToken = page.Encode(endpointKey{Name: found[len(found)-1].Name})
	}
	return out, nil
}

// UpdateEndpointConfig makes a new revision.
func (s *Endpoints) UpdateEndpointConfig(ctx context.Context, req *servingv1.UpdateEndpointConfigRequest) (*servingv1.UpdateEndpointConfigResponse, error) {
	config, err := readConfig(req.GetConfig())
	if err != nil {
		return nil, err
	}
	e, err := s.flow.UpdateConfig(ctx, req.GetName(), config, req.GetExpectedRevision())
	if err != nil {
		return nil, err
	}
	return &servingv1.UpdateEndpointConfigResponse{Endpoint: writeEndpoint(e)}, nil
}

// CancelEndpointUpdate gives the pending revision up.
func (s *Endpoints) CancelEndpointUpdate(ctx context.Context, req *servingv1.CancelEndpointUpdateRequest) (*servingv1.CancelEndpointUpdateResponse, error) {
	e, err := s.flow.CancelUpdate(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return &servingv1.CancelEndpointUpdateResponse{Endpoint: writeEndpoint(e)}, nil
}

// DeleteEndpoint removes an endpoint.
func (s *Endpoints) DeleteEndpoint(ctx context.Context, req *servingv1.DeleteEndpointRequest) (*servingv1.DeleteEndpointResponse, error) {
	if err := s.flow.DeleteEndpoint(ctx, req.GetName()); err != nil {
		return nil, err
	}
	return &servingv1.DeleteEndpointResponse{}, nil
}

// revisionKey is where a page of revisions ended.
type revisionKey struct {
	Before int64 `json:"before"`
}

// ListEndpointRevisions lists revisions, newest first.
func (s *Endpoints) ListEndpointRevisions(ctx context.Context, req *servingv1.ListEndpointRevisionsRequest) (*servingv1.ListEndpointRevisionsResponse, error) {
	size, err := page.Size(req.GetPageSize(), defaultPage, maxPage)
	if err != nil {
		return nil, err
	}
	var key revisionKey
	if err := page.Decode(req.GetPageToken(), &key); err != nil {
		return nil, err
	}
	found, more, err := s.flow.ListRevisions(ctx, req.GetName(), key.Before, size)
	if err != nil {
		return nil, err
	}
	out := &servingv1.ListEndpointRevisionsResponse{}
	for _, r := range found {
		out.Revisions = append(out.Revisions, writeRevision(&r))
	}
	if more {
		out.NextPageToken = page.Encode(revisionKey{Before: found[len(found)-1].Number})
	}
	return out, nil
}
