package cli

import (
	"github.com/spf13/cobra"

	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

func (s *session) catalogs() *cobra.Command {
	var comment string
	create := &cobra.Command{
		Use: "create NAME", Short: "Create a catalog", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, registryv1.NewCatalogServiceClient, registryv1.CatalogServiceClient.CreateCatalog,
				&registryv1.CreateCatalogRequest{Name: args[0], Comment: comment},
				func(t *table, r *registryv1.CreateCatalogResponse) {
					t.row("created catalog", r.GetCatalog().GetName())
				})
		},
	}
	create.Flags().StringVar(&comment, "comment", "", "what it is for")
	list := &cobra.Command{
		Use: "list", Short: "List the catalogs you may use", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(s, cmd, registryv1.NewCatalogServiceClient, registryv1.CatalogServiceClient.ListCatalogs,
				&registryv1.ListCatalogsRequest{PageSize: 1000},
				func(t *table, r *registryv1.ListCatalogsResponse) {
					t.row("NAME", "OWNER", "CREATED", "COMMENT")
					for _, c := range r.GetCatalogs() {
						t.row(c.GetName(), c.GetOwner(), when(c.GetCreateTime()), c.GetComment())
					}
				})
		},
	}
	remove := &cobra.Command{
		Use: "delete NAME", Short: "Delete an empty catalog", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, registryv1.NewCatalogServiceClient, registryv1.CatalogServiceClient.DeleteCatalog,
				&registryv1.DeleteCatalogRequest{Name: args[0]},
				func(t *table, _ *registryv1.DeleteCatalogResponse) { t.row("deleted catalog", args[0]) })
		},
	}
	return noun("catalog", "Catalogs: the first level of names", create, list, remove)
}

func (s *session) schemas() *cobra.Command {
	var comment string
	create := &cobra.Command{
		Use: "create CATALOG.SCHEMA", Short: "Create a schema", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, registryv1.NewCatalogServiceClient, registryv1.CatalogServiceClient.CreateSchema,
				&registryv1.CreateSchemaRequest{FullName: args[0], Comment: comment},
				func(t *table, r *registryv1.CreateSchemaResponse) {
					t.row("created schema", r.GetSchema().GetFullName())
				})
		},
	}
	create.Flags().StringVar(&comment, "comment", "", "what it is for")
	list := &cobra.Command{
		Use: "list CATALOG", Short: "List a catalog's schemas", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, registryv1.NewCatalogServiceClient, registryv1.CatalogServiceClient.ListSchemas,
				&registryv1.ListSchemasRequest{Catalog: args[0], PageSize: 1000},
				func(t *table, r *registryv1.ListSchemasResponse) {
					t.row("NAME", "OWNER", "CREATED", "COMMENT")
					for _, c := range r.GetSchemas() {
						t.row(c.GetFullName(), c.GetOwner(), when(c.GetCreateTime()), c.GetComment())
					}
				})
		},
	}
	remove := &cobra.Command{
		Use: "delete CATALOG.SCHEMA", Short: "Delete an empty schema", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, registryv1.NewCatalogServiceClient, registryv1.CatalogServiceClient.DeleteSchema,
				&registryv1.DeleteSchemaRequest{FullName: args[0]},
				func(t *table, _ *registryv1.DeleteSchemaResponse) { t.row("deleted schema", args[0]) })
		},
	}
	return noun("schema", "Schemas: the second level of names", create, list, remove)
}
