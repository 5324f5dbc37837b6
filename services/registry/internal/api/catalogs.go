package api

import (
	"context"

	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

type catalogs struct {
	registryv1.UnimplementedCatalogServiceServer
	v Verbs
}

func (s catalogs) CreateCatalog(ctx context.Context, r *registryv1.CreateCatalogRequest) (*registryv1.CreateCatalogResponse, error) {
	c, err := s.v.Tree.Create(ctx, domain.TypeCatalog, r.GetName(), r.GetComment(), nil)
	if err != nil {
		return nil, err
	}
	return &registryv1.CreateCatalogResponse{Catalog: catalogOut(c)}, nil
}

func (s catalogs) GetCatalog(ctx context.Context, r *registryv1.GetCatalogRequest) (*registryv1.GetCatalogResponse, error) {
	c, err := s.v.Tree.Get(ctx, domain.TypeCatalog, r.GetName())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetCatalogResponse{Catalog: catalogOut(c)}, nil
}

func (s catalogs) ListCatalogs(ctx context.Context, r *registryv1.ListCatalogsRequest) (*registryv1.ListCatalogsResponse, error) {
	list, next, err := s.v.Tree.List(ctx, domain.TypeCatalog, "", r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListCatalogsResponse{Catalogs: each(list, catalogOut), NextPageToken: next}, nil
}

func (s catalogs) DeleteCatalog(ctx context.Context, r *registryv1.DeleteCatalogRequest) (*registryv1.DeleteCatalogResponse, error) {
	if err := s.v.Tree.Delete(ctx, domain.TypeCatalog, r.GetName()); err != nil {
		return nil, err
	}
	return &registryv1.DeleteCatalogResponse{}, nil
}

func (s catalogs) CreateSchema(ctx context.Context, r *registryv1.CreateSchemaRequest) (*registryv1.CreateSchemaResponse, error) {
	c, err := s.v.Tree.Create(ctx, domain.TypeSchema, r.GetFullName(), r.GetComment(), nil)
	if err != nil {
		return nil, err
	}
	return &registryv1.CreateSchemaResponse{Schema: schemaOut(c)}, nil
}

func (s catalogs) GetSchema(ctx context.Context, r *registryv1.GetSchemaRequest) (*registryv1.GetSchemaResponse, error) {
	c, err := s.v.Tree.Get(ctx, domain.TypeSchema, r.GetFullName())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetSchemaResponse{Schema: schemaOut(c)}, nil
}

func (s catalogs) ListSchemas(ctx context.Context, r *registryv1.ListSchemasRequest) (*registryv1.ListSchemasResponse, error) {
	list, next, err := s.v.Tree.List(ctx, domain.TypeSchema, r.GetCatalog(), r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListSchemasResponse{Schemas: each(list, schemaOut), NextPageToken: next}, nil
}

func (s catalogs) DeleteSchema(ctx context.Context, r *registryv1.DeleteSchemaRequest) (*registryv1.DeleteSchemaResponse, error) {
	if err := s.v.Tree.Delete(ctx, domain.TypeSchema, r.GetFullName()); err != nil {
		return nil, err
	}
	return &registryv1.DeleteSchemaResponse{}, nil
}

func catalogOut(l domain.Line) *registryv1.Catalog {
	return &registryv1.Catalog{Name: l.Ref.FullName, Comment: l.Comment, Owner: l.Owner, CreateTime: timeOut(l.CreateTime), UpdateTime: timeOut(l.UpdateTime)}
}

func schemaOut(l domain.Line) *registryv1.Schema {
	return &registryv1.Schema{FullName: l.Ref.FullName, Comment: l.Comment, Owner: l.Owner, CreateTime: timeOut(l.CreateTime), UpdateTime: timeOut(l.UpdateTime)}
}
