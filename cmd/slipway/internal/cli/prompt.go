package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"

	"github.com/slipway-ai/slipway/pkg/fault"
)

func (s *session) prompts() *cobra.Command {
	return noun("prompt", "Prompts and their versions", s.promptImport(), s.promptList(), s.promptVersions(), s.promptGet(), s.promptAlias(), s.promptDelete())
}

func (s *session) promptImport() *cobra.Command {
	var alias string
	cmd := &cobra.Command{
		Use:   "import CATALOG.SCHEMA.PROMPT FILE",
		Short: "Add a prompt version from a .txt or .yaml file",
		Long: `Add a version from a file. A .txt file is the template itself; a .yaml file has the keys template or messages
(role, content), and may have parameters, comment, tags and syntax. Variables are {{name}} or {name}.
The prompt is created when it is new.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := os.ReadFile(args[1])
			if err != nil {
				return err
			}
			conn, err := s.dial()
			if err != nil {
				return err
			}
			prompts := registryv1.NewPromptServiceClient(conn)
			_, err = prompts.CreatePrompt(cmd.Context(), &registryv1.CreatePromptRequest{FullName: args[0]})
			if err != nil && !fault.Is(err, fault.AlreadyExists) {
				return err
			}
			got, err := prompts.ImportPromptVersion(cmd.Context(), &registryv1.ImportPromptVersionRequest{Prompt: args[0], FileName: filepath.Base(args[1]), Content: content})
			if err != nil {
				return err
			}
			v := got.GetPromptVersion()
			if alias != "" {
				if _, err := prompts.SetPromptAlias(cmd.Context(), &registryv1.SetPromptAliasRequest{Prompt: args[0], Alias: alias, Version: v.GetVersion()}); err != nil {
					return err
				}
			}
			return s.show(cmd, v, func(t *table) {
				t.row("registered", fmt.Sprintf("prompts:/%s/%d", args[0], v.GetVersion()))
				t.row("variables", strings.Join(v.GetVariables(), " "))
			})
		},
	}
	cmd.Flags().StringVar(&alias, "alias", "", "point this alias at the new version")
	return cmd
}

func (s *session) promptList() *cobra.Command {
	var schema string
	cmd := &cobra.Command{
		Use: "list", Short: "List prompts", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(s, cmd, registryv1.NewPromptServiceClient, registryv1.PromptServiceClient.ListPrompts, &registryv1.ListPromptsRequest{Schema: schema, PageSize: 1000},
				func(t *table, r *registryv1.ListPromptsResponse) {
					t.row("NAME", "LATEST", "ALIASES", "OWNER", "UPDATED")
					for _, p := range r.GetPrompts() {
						t.row(p.GetFullName(), p.GetLatestVersion(), aliases(p.GetAliases()), p.GetOwner(), when(p.GetUpdateTime()))
					}
				})
		},
	}
	cmd.Flags().StringVar(&schema, "schema", "", "only prompts of this catalog.schema")
	return cmd
}

func (s *session) promptVersions() *cobra.Command {
	return &cobra.Command{
		Use: "versions CATALOG.SCHEMA.PROMPT", Short: "List a prompt's versions, newest first", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, registryv1.NewPromptServiceClient, registryv1.PromptServiceClient.ListPromptVersions, &registryv1.ListPromptVersionsRequest{Prompt: args[0], PageSize: 1000},
				func(t *table, r *registryv1.ListPromptVersionsResponse) {
					t.row("VERSION", "VARIABLES", "ALIASES", "CREATED", "BY", "COMMENT")
					for _, v := range r.GetPromptVersions() {
						t.row(v.GetVersion(), strings.Join(v.GetVariables(), " "), strings.Join(v.GetAliases(), " "), when(v.GetCreateTime()), v.GetCreator(), v.GetComment())
					}
				})
		},
	}
}

func (s *session) promptGet() *cobra.Command {
	return &cobra.Command{
		Use: "get prompts:/CATALOG.SCHEMA.PROMPT@ALIAS", Short: "Show the prompt version that a reference means now", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, registryv1.NewPromptServiceClient, registryv1.PromptServiceClient.ResolvePromptVersion, &registryv1.ResolvePromptVersionRequest{Uri: args[0]},
				func(t *table, r *registryv1.ResolvePromptVersionResponse) {
					v := r.GetPromptVersion()
					t.row("version", v.GetVersion())
					t.row("variables", strings.Join(v.GetVariables(), " "))
					if v.GetTemplate() != "" {
						t.row("template", v.GetTemplate())
					}
					for _, m := range v.GetMessages() {
						t.row(m.GetRole(), m.GetContent())
					}
				})
		},
	}
}

func (s *session) promptAlias() *cobra.Command {
	return &cobra.Command{
		Use: "alias CATALOG.SCHEMA.PROMPT ALIAS VERSION", Short: "Point an alias at a version", Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := versionArg(args[2])
			if err != nil {
				return err
			}
			alias := strings.TrimPrefix(args[1], "@")
			return call(s, cmd, registryv1.NewPromptServiceClient, registryv1.PromptServiceClient.SetPromptAlias, &registryv1.SetPromptAliasRequest{Prompt: args[0], Alias: alias, Version: version},
				func(t *table, r *registryv1.SetPromptAliasResponse) {
					t.row(fmt.Sprintf("prompts:/%s@%s is version %d (was %d)", args[0], alias, version, r.GetPreviousVersion()))
				})
		},
	}
}

func (s *session) promptDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete CATALOG.SCHEMA.PROMPT", Short: "Delete a prompt with its versions", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, registryv1.NewPromptServiceClient, registryv1.PromptServiceClient.DeletePrompt, &registryv1.DeletePromptRequest{FullName: args[0]},
				func(t *table, _ *registryv1.DeletePromptResponse) { t.row("deleted prompt", args[0]) })
		},
	}
}
