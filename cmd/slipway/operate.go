package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/slipway-ai/slipway/cmd/slipway/internal/cli"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/link"
)

// addSetting reads key=value.
func addSetting(set map[string]string, kv string) error {
	key, value, ok := strings.Cut(kv, "=")
	if !ok {
		return fmt.Errorf("--set %s: want key=value", kv)
	}
	set[key] = value
	return nil
}

// verify is `slipway config verify` and `slipway config reference`.
func verify() *cobra.Command {
	f := &upFlags{}
	check := &cobra.Command{
		Use: "verify", Short: "Check the configuration without starting anything", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, _, warnings, err := f.load(cmd)
			if err != nil {
				return err
			}
			for _, w := range warnings {
				fmt.Fprintln(cmd.OutOrStdout(), "warning:", w)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "configuration is valid")
			return nil
		},
	}
	f.register(check)
	reference := &cobra.Command{
		Use: "reference", Short: "Print every key with its meaning and default", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return configReference(cmd.OutOrStdout()) },
	}
	parent := &cobra.Command{Use: "config", Short: "Configuration of `slipway up`"}
	parent.AddCommand(check, reference)
	return parent
}

func configReference(w io.Writer) error {
	c := defaultConfig("DATA")
	return config.Reference(w, &c)
}

func certs() *cobra.Command {
	var out string
	var hosts []string
	cmd := &cobra.Command{
		Use:   "certs",
		Short: "Issue development certificates for a mesh",
		Long:  "Write a development authority and one certificate per service, for mutual TLS between processes. In production use your own authority; only the file names are ours.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var names []string
			for _, m := range modules {
				names = append(names, m.name)
			}
			if err := link.IssueMesh(out, names, hosts); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "wrote", out)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "certs", "folder")
	cmd.Flags().StringSliceVar(&hosts, "host", nil, "further host names and addresses the services are reached by")
	return cmd
}

// docs writes the reference pages from the code: one per command, and the configuration.
func docs() *cobra.Command {
	return &cobra.Command{
		Use: "docs DIR", Short: "Write the reference pages", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			pages := filepath.Join(args[0], "cli")
			if err := os.RemoveAll(pages); err != nil {
				return err
			}
			if err := os.MkdirAll(pages, 0o755); err != nil {
				return err
			}
			root := cli.Root(up(), verify(), certs())
			root.DisableAutoGenTag = true
			// The default data folder is this user's; the page must read the same for everyone.
			root.PersistentFlags().Lookup("data").DefValue = "~/.local/share/slipway"
			if err := doc.GenMarkdownTree(root, pages); err != nil {
				return err
			}
			f, err := os.Create(filepath.Join(args[0], "config.md"))
			if err != nil {
				return err
			}
			defer f.Close()
			return configReference(f)
		},
	}
}
