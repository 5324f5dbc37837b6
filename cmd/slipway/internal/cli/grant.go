package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

func (s *session) grants() *cobra.Command {
	change := func(use, short string, add bool) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Args: cobra.ExactArgs(3),
			Example: "  slipway grant add endpoint:demo app EXECUTE\n  slipway grant add schema:main.demo team-a USE_SCHEMA,EXECUTE",
			RunE: func(cmd *cobra.Command, args []string) error {
				on, err := securable(args[0])
				if err != nil {
					return err
				}
				privileges, err := privileges(args[2])
				if err != nil {
					return err
				}
				c := &registryv1.GrantChange{Principal: args[1], Add: privileges}
				if !add {
					c.Add, c.Remove = nil, privileges
				}
				return call(s, cmd, registryv1.NewAccessServiceClient, registryv1.AccessServiceClient.UpdateGrants,
					&registryv1.UpdateGrantsRequest{Securable: on, Changes: []*registryv1.GrantChange{c}},
					func(t *table, r *registryv1.UpdateGrantsResponse) { drawGrants(t, r.GetGrants()) })
			},
		}
	}
	var inherited bool
	list := &cobra.Command{
		Use: "list SECURABLE", Short: "List the grants on something", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			on, err := securable(args[0])
			if err != nil {
				return err
			}
			return call(s, cmd, registryv1.NewAccessServiceClient, registryv1.AccessServiceClient.ListGrants, &registryv1.ListGrantsRequest{Securable: on, IncludeInherited: inherited},
				func(t *table, r *registryv1.ListGrantsResponse) { drawGrants(t, r.GetGrants()) })
		},
	}
	list.Flags().BoolVar(&inherited, "inherited", false, "also those given further up")
	c := noun("grant", "Who may do what",
		change("add SECURABLE PRINCIPAL PRIVILEGE[,…]", "Grant privileges to a user, service account or group", true),
		change("remove SECURABLE PRINCIPAL PRIVILEGE[,…]", "Take privileges away", false), list)
	c.Long = "SECURABLE is metastore, or TYPE:NAME with TYPE catalog, schema, model, prompt or endpoint.\nPrivileges: USE_CATALOG USE_SCHEMA EXECUTE MANAGE CREATE_CATALOG CREATE_SCHEMA CREATE_MODEL CREATE_PROMPT CREATE_MODEL_VERSION CREATE_ENDPOINT."
	return c
}

func drawGrants(t *table, grants []*registryv1.Grant) {
	t.row("PRINCIPAL", "PRIVILEGE", "ON", "BY", "SINCE")
	for _, g := range grants {
		on := strings.ToLower(short(g.GetSecurable().GetType().String(), "SECURABLE_TYPE_"))
		if name := g.GetSecurable().GetFullName(); name != "" {
			on += ":" + name
		}
		t.row(g.GetPrincipal(), short(g.GetPrivilege().String(), "PRIVILEGE_"), on, g.GetGrantor(), when(g.GetCreateTime()))
	}
}

func securable(s string) (*registryv1.Securable, error) {
	kind, name, _ := strings.Cut(s, ":")
	number, ok := registryv1.SecurableType_value["SECURABLE_TYPE_"+strings.ToUpper(kind)]
	if !ok || number == 0 || (kind == "metastore") != (name == "") {
		return nil, fmt.Errorf("%q is not a securable: use metastore, or catalog:, schema:, model:, prompt: or endpoint: with a name", s)
	}
	return &registryv1.Securable{Type: registryv1.SecurableType(number), FullName: name}, nil
}

func privileges(s string) ([]registryv1.Privilege, error) {
	var out []registryv1.Privilege
	for name := range strings.SplitSeq(s, ",") {
		number, ok := registryv1.Privilege_value["PRIVILEGE_"+strings.ToUpper(name)]
		if !ok || number == 0 {
			return nil, fmt.Errorf("%q is not a privilege; see `slipway grant --help`", name)
		}
		out = append(out, registryv1.Privilege(number))
	}
	return out, nil
}

func (s *session) lineage() *cobra.Command {
	var depth int32
	get := &cobra.Command{
		Use: "get ENTITY", Short: "Show what something was made from and what uses it", Args: cobra.ExactArgs(1),
		Example: "  slipway lineage get models:/main.demo.storyteller/1",
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, registryv1.NewLineageServiceClient, registryv1.LineageServiceClient.GetLineage, &registryv1.GetLineageRequest{Entity: args[0], Depth: depth},
				func(t *table, r *registryv1.GetLineageResponse) {
					t.row("UPSTREAM", "RELATION", "DOWNSTREAM", "SINCE")
					for _, e := range r.GetEdges() {
						t.row(e.GetUpstream(), e.GetRelation(), e.GetDownstream(), when(e.GetCreateTime()))
					}
				})
		},
	}
	get.Flags().Int32Var(&depth, "depth", 3, "how far to walk, at most 10")
	return noun("lineage", "Where things come from", get)
}
