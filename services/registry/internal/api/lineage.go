package api

import (
	"context"

	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/flow"
)

type lineage struct {
	registryv1.UnimplementedLineageServiceServer
	v Verbs
}

func (s lineage) AddLineage(ctx context.Context, r *registryv1.AddLineageRequest) (*registryv1.AddLineageResponse, error) {
	if err := s.v.Lineage.Add(ctx, each(r.GetEdges(), func(e *registryv1.LineageEdge) flow.Statement {
		return flow.Statement{Upstream: e.GetUpstream(), Downstream: e.GetDownstream(), Relation: e.GetRelation()}
	})); err != nil {
		return nil, err
	}
	return &registryv1.AddLineageResponse{}, nil
}

func (s lineage) GetLineage(ctx context.Context, r *registryv1.GetLineageRequest) (*registryv1.GetLineageResponse, error) {
	edges, err := s.v.Lineage.Get(ctx, r.GetEntity(), int(r.GetDepth()))
	if err != nil {
		return nil, err
	}
	return &registryv1.GetLineageResponse{Edges: each(edges, func(e domain.Edge) *registryv1.LineageEdge {
		return &registryv1.LineageEdge{Upstream: e.Upstream, Downstream: e.Downstream, Relation: string(e.Relation), CreateTime: timeOut(e.CreateTime), Creator: e.Creator}
	})}, nil
}
