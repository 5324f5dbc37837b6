package cli

import (
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	gatewayv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gateway/v1"
)

func (s *session) tokens() *cobra.Command {
	var (
		principal, comment string
		scopes             []string
		lifetime           time.Duration
	)
	create := &cobra.Command{
		Use: "create", Short: "Make a bearer token; its text is shown once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req := &gatewayv1.CreateTokenRequest{Principal: principal, Comment: comment, Scopes: scopes}
			if lifetime > 0 {
				req.Lifetime = durationpb.New(lifetime)
			}
			return call(s, cmd, gatewayv1.NewPrincipalServiceClient, gatewayv1.PrincipalServiceClient.CreateToken, req,
				func(t *table, r *gatewayv1.CreateTokenResponse) {
					t.row("token", r.GetSecret())
					t.row("id", r.GetToken().GetTokenId())
					t.row("principal", r.GetToken().GetPrincipal())
					t.row("expires", when(r.GetToken().GetExpireTime()))
				})
		},
	}
	create.Flags().StringVar(&principal, "principal", "", "for whom (default: yourself)")
	create.Flags().StringVar(&comment, "comment", "", "what it is for")
	create.Flags().StringSliceVar(&scopes, "scope", nil, "all, inference or read (default all)")
	create.Flags().DurationVar(&lifetime, "lifetime", 0, "how long it lives, e.g. 720h (default: for ever)")
	var of string
	list := &cobra.Command{
		Use: "list", Short: "List tokens, without their text", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(s, cmd, gatewayv1.NewPrincipalServiceClient, gatewayv1.PrincipalServiceClient.ListTokens, &gatewayv1.ListTokensRequest{Principal: of, PageSize: 1000},
				func(t *table, r *gatewayv1.ListTokensResponse) {
					t.row("ID", "PRINCIPAL", "SCOPES", "EXPIRES", "LAST USED", "COMMENT")
					for _, k := range r.GetTokens() {
						t.row(k.GetTokenId(), k.GetPrincipal(), strings.Join(k.GetScopes(), ","), when(k.GetExpireTime()), when(k.GetLastUsedTime()), k.GetComment())
					}
				})
		},
	}
	list.Flags().StringVar(&of, "principal", "", "only this principal's")
	revoke := &cobra.Command{
		Use: "revoke ID", Short: "End a token at once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, gatewayv1.NewPrincipalServiceClient, gatewayv1.PrincipalServiceClient.RevokeToken, &gatewayv1.RevokeTokenRequest{TokenId: args[0]},
				func(t *table, _ *gatewayv1.RevokeTokenResponse) { t.row("revoked", args[0]) })
		},
	}
	return noun("token", "Bearer tokens", create, list, revoke)
}

func (s *session) principals() *cobra.Command {
	var (
		groups   []string
		service  bool
		disabled bool
		rpm      int32
	)
	put := &cobra.Command{
		Use: "put NAME", Short: "Create or change a user or service account", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind := gatewayv1.PrincipalKind_PRINCIPAL_KIND_USER
			if service {
				kind = gatewayv1.PrincipalKind_PRINCIPAL_KIND_SERVICE_ACCOUNT
			}
			return call(s, cmd, gatewayv1.NewPrincipalServiceClient, gatewayv1.PrincipalServiceClient.PutPrincipal,
				&gatewayv1.PutPrincipalRequest{Name: args[0], Kind: kind, Groups: groups, Disabled: disabled, RequestsPerMinute: rpm},
				func(t *table, r *gatewayv1.PutPrincipalResponse) { drawPrincipals(t, r.GetPrincipal()) })
		},
	}
	put.Flags().StringSliceVar(&groups, "group", nil, "all groups it shall be in")
	put.Flags().BoolVar(&service, "service-account", false, "a program, not a person")
	put.Flags().BoolVar(&disabled, "disabled", false, "shut out; its tokens are refused")
	put.Flags().Int32Var(&rpm, "rpm", 0, "requests per minute on the model surfaces; -1 unlimited (default: the platform's)")
	list := &cobra.Command{
		Use: "list", Short: "List users and service accounts", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(s, cmd, gatewayv1.NewPrincipalServiceClient, gatewayv1.PrincipalServiceClient.ListPrincipals, &gatewayv1.ListPrincipalsRequest{PageSize: 1000},
				func(t *table, r *gatewayv1.ListPrincipalsResponse) { drawPrincipals(t, r.GetPrincipals()...) })
		},
	}
	whoami := &cobra.Command{
		Use: "whoami", Short: "Show who you are to the platform", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(s, cmd, gatewayv1.NewPrincipalServiceClient, gatewayv1.PrincipalServiceClient.GetPrincipal, &gatewayv1.GetPrincipalRequest{Name: "me"},
				func(t *table, r *gatewayv1.GetPrincipalResponse) { drawPrincipals(t, r.GetPrincipal()) })
		},
	}
	return noun("principal", "Users and service accounts", put, list, whoami)
}

func drawPrincipals(t *table, all ...*gatewayv1.Principal) {
	t.row("NAME", "KIND", "GROUPS", "RPM", "DISABLED", "CREATED")
	for _, p := range all {
		t.row(p.GetName(), short(p.GetKind().String(), "PRINCIPAL_KIND_"), strings.Join(p.GetGroups(), ","), p.GetRequestsPerMinute(), p.GetDisabled(), when(p.GetCreateTime()))
	}
}

func (s *session) providers() *cobra.Command {
	var url, keyEnv string
	put := &cobra.Command{
		Use: "put NAME", Short: "Create or change an OpenAI-compatible provider", Args: cobra.ExactArgs(1),
		Example: "  OPENAI_KEY=sk-… slipway provider put openai --base-url https://api.openai.com/v1 --key-env OPENAI_KEY",
		RunE: func(cmd *cobra.Command, args []string) error {
			// The key comes from the environment: an argument would show in the process list and the shell's history.
			req := &gatewayv1.PutProviderRequest{Name: args[0], BaseUrl: url}
			if keyEnv != "" {
				req.ApiKey = os.Getenv(keyEnv)
			}
			return call(s, cmd, gatewayv1.NewProviderServiceClient, gatewayv1.ProviderServiceClient.PutProvider, req,
				func(t *table, r *gatewayv1.PutProviderResponse) { drawProviders(t, r.GetProvider()) })
		},
	}
	put.Flags().StringVar(&url, "base-url", "", "where its /chat/completions is, e.g. https://api.openai.com/v1")
	put.Flags().StringVar(&keyEnv, "key-env", "", "the environment variable that holds the key; without it the stored key stays")
	list := &cobra.Command{
		Use: "list", Short: "List providers, without their keys", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(s, cmd, gatewayv1.NewProviderServiceClient, gatewayv1.ProviderServiceClient.ListProviders, &gatewayv1.ListProvidersRequest{PageSize: 1000},
				func(t *table, r *gatewayv1.ListProvidersResponse) { drawProviders(t, r.GetProviders()...) })
		},
	}
	remove := &cobra.Command{
		Use: "delete NAME", Short: "Delete a provider and its key", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, gatewayv1.NewProviderServiceClient, gatewayv1.ProviderServiceClient.DeleteProvider, &gatewayv1.DeleteProviderRequest{Name: args[0]},
				func(t *table, _ *gatewayv1.DeleteProviderResponse) { t.row("deleted provider", args[0]) })
		},
	}
	return noun("provider", "External model providers", put, list, remove)
}

func drawProviders(t *table, all ...*gatewayv1.Provider) {
	t.row("NAME", "BASE URL", "KEY", "UPDATED")
	for _, p := range all {
		t.row(p.GetName(), p.GetBaseUrl(), p.GetApiKeyHint(), when(p.GetUpdateTime()))
	}
}
