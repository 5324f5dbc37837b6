package api

import (
	"context"

	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/flow"
)

type models struct {
	registryv1.UnimplementedModelServiceServer
	v Verbs
}

func (s models) CreateModel(ctx context.Context, r *registryv1.CreateModelRequest) (*registryv1.CreateModelResponse, error) {
	m, err := s.v.Tree.Create(ctx, domain.TypeModel, r.GetFullName(), r.GetComment(), r.GetTags())
	if err != nil {
		return nil, err
	}
	return &registryv1.CreateModelResponse{Model: modelOut(m)}, nil
}

func (s models) GetModel(ctx context.Context, r *registryv1.GetModelRequest) (*registryv1.GetModelResponse, error) {
	m, err := s.v.Tree.Get(ctx, domain.TypeModel, r.GetFullName())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetModelResponse{Model: modelOut(m)}, nil
}

func (s models) ListModels(ctx context.Context, r *registryv1.ListModelsRequest) (*registryv1.ListModelsResponse, error) {
	list, next, err := s.v.Tree.List(ctx, domain.TypeModel, r.GetSchema(), r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListModelsResponse{Models: each(list, modelOut), NextPageToken: next}, nil
}

func (s models) UpdateModel(ctx context.Context, r *registryv1.UpdateModelRequest) (*registryv1.UpdateModelResponse, error) {
	m, err := s.v.Lines.Update(ctx, domain.TypeModel, r.GetFullName(), flow.LineChange{
		Comment: r.Comment, Owner: r.Owner, SetTags: r.GetSetTags(), RemoveTags: r.GetRemoveTags(), // nil is not the empty text
	})
	if err != nil {
		return nil, err
	}
	return &registryv1.UpdateModelResponse{Model: modelOut(m)}, nil
}

func (s models) DeleteModel(ctx context.Context, r *registryv1.DeleteModelRequest) (*registryv1.DeleteModelResponse, error) {
	if err := s.v.Tree.Delete(ctx, domain.TypeModel, r.GetFullName()); err != nil {
		return nil, err
	}
	return &registryv1.DeleteModelResponse{}, nil
}

func (s models) CreateModelVersion(ctx context.Context, r *registryv1.CreateModelVersionRequest) (*registryv1.CreateModelVersionResponse, error) {
	v, err := s.v.Models.CreateVersion(ctx, flow.VersionDraft{Model: r.GetModel(), Format: r.GetFormat(), Comment: r.GetComment(), Tags: r.GetTags(), Source: r.GetSource()})
	if err != nil {
		return nil, err
	}
	return &registryv1.CreateModelVersionResponse{ModelVersion: modelVersionOut(v)}, nil
}

func (s models) FinalizeModelVersion(ctx context.Context, r *registryv1.FinalizeModelVersionRequest) (*registryv1.FinalizeModelVersionResponse, error) {
	var expected []domain.ArtifactFile
	for _, f := range r.GetExpectedFiles() {
		expected = append(expected, fileIn(f))
	}
	v, err := s.v.Models.FinalizeVersion(ctx, r.GetModel(), r.GetVersion(), expected)
	if err != nil {
		return nil, err
	}
	return &registryv1.FinalizeModelVersionResponse{ModelVersion: modelVersionOut(v)}, nil
}

func (s models) GetModelVersion(ctx context.Context, r *registryv1.GetModelVersionRequest) (*registryv1.GetModelVersionResponse, error) {
	v, err := s.v.Models.Version(ctx, r.GetModel(), r.GetVersion())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetModelVersionResponse{ModelVersion: modelVersionOut(v)}, nil
}

func (s models) ListModelVersions(ctx context.Context, r *registryv1.ListModelVersionsRequest) (*registryv1.ListModelVersionsResponse, error) {
	list, next, err := s.v.Models.Versions(ctx, r.GetModel(), r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListModelVersionsResponse{ModelVersions: each(list, modelVersionOut), NextPageToken: next}, nil
}

func (s models) ResolveModelVersion(ctx context.Context, r *registryv1.ResolveModelVersionRequest) (*registryv1.ResolveModelVersionResponse, error) {
	v, err := s.v.Models.Resolve(ctx, r.GetUri())
	if err != nil {
		return nil, err
	}
	return &registryv1.ResolveModelVersionResponse{ModelVersion: modelVersionOut(v)}, nil
}

func (s models) SetModelAlias(ctx context.Context, r *registryv1.SetModelAliasRequest) (*registryv1.SetModelAliasResponse, error) {
	previous, err := s.v.Lines.SetAlias(ctx, domain.TypeModel, r.GetModel(), r.GetAlias(), r.GetVersion())
	if err != nil {
		return nil, err
	}
	return &registryv1.SetModelAliasResponse{PreviousVersion: previous}, nil
}

func (s models) DeleteModelAlias(ctx context.Context, r *registryv1.DeleteModelAliasRequest) (*registryv1.DeleteModelAliasResponse, error) {
	if err := s.v.Lines.DeleteAlias(ctx, domain.TypeModel, r.GetModel(), r.GetAlias()); err != nil {
		return nil, err
	}
	return &registryv1.DeleteModelAliasResponse{}, nil
}

func (s models) SetModelVersionTags(ctx context.Context, r *registryv1.SetModelVersionTagsRequest) (*registryv1.SetModelVersionTagsResponse, error) {
	v, err := s.v.Models.SetVersionTags(ctx, r.GetModel(), r.GetVersion(), r.GetSetTags(), r.GetRemoveTags())
	if err != nil {
		return nil, err
	}
	return &registryv1.SetModelVersionTagsResponse{ModelVersion: modelVersionOut(v)}, nil
}

func modelOut(l domain.Line) *registryv1.RegisteredModel {
	return &registryv1.RegisteredModel{
		FullName: l.Ref.FullName, Comment: l.Comment, Owner: l.Owner, Aliases: l.Aliases, Tags: l.Tags, LatestVersion: l.LatestVersion,
		CreateTime: timeOut(l.CreateTime), UpdateTime: timeOut(l.UpdateTime),
	}
}

var statuses = map[domain.Status]registryv1.ModelVersionStatus{
	domain.Pending:  registryv1.ModelVersionStatus_MODEL_VERSION_STATUS_PENDING_UPLOAD,
	domain.Ready:    registryv1.ModelVersionStatus_MODEL_VERSION_STATUS_READY,
	domain.Failed:   registryv1.ModelVersionStatus_MODEL_VERSION_STATUS_FAILED,
	domain.Archived: registryv1.ModelVersionStatus_MODEL_VERSION_STATUS_ARCHIVED,
}

func modelVersionOut(v domain.ModelVersion) *registryv1.ModelVersion {
	return &registryv1.ModelVersion{
		Model: v.Model.FullName, Version: v.Version, Status: statuses[v.Status], StatusMessage: v.StatusMessage, Format: v.Format, Comment: v.Comment,
		Files: each(v.Files, fileOut), Tags: v.Tags, Properties: v.Properties, Creator: v.Creator,
		CreateTime: timeOut(v.CreateTime), UpdateTime: timeOut(v.UpdateTime), Aliases: v.Aliases, Source: v.Source,
	}
}
