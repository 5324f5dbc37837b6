// Package cli is the command line: nouns and verbs over the platform's API. Each noun has a file; each verb calls one
// RPC through the same REST surface that everyone uses, and prints a table for people or JSON for programs.
package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/slipway-ai/slipway/cmd/slipway/internal/restconn"
	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
)

const defaultURL = "http://127.0.0.1:8080"

// session is what every verb needs: where the platform is, who calls, how to print.
type session struct {
	url, data, output string
}

// Root builds the command tree. extra are commands that need more than the API, such as `up`.
func Root(extra ...*cobra.Command) *cobra.Command {
	s := &session{}
	root := &cobra.Command{
		Use:   "slipway",
		Short: "Launch GenAI applications and watch them",
		Long: `Slipway packages, registers, serves, routes, logs, evaluates and monitors models and prompts.

  slipway up                        start the platform here
  slipway demo                      run the main job against it
  eval "$(slipway env)"             point OpenAI, MLflow and Databricks clients at it`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       boot.Version(),
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if s.output != "table" && s.output != "json" {
				return fmt.Errorf("--output must be table or json, not %q", s.output)
			}
			return nil
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&s.url, "url", "", "the platform's HTTP address (default $SLIPWAY_URL, then "+defaultURL+")")
	flags.StringVar(&s.data, "data", DefaultData(), "data folder, where `slipway up` leaves admin.token ($SLIPWAY_DATA)")
	flags.StringVarP(&s.output, "output", "o", "table", "table or json")
	root.AddCommand(s.catalogs(), s.schemas(), s.models(), s.prompts(), s.grants(), s.lineage(), s.endpoints(), s.principals(), s.tokens(),
		s.providers(), s.monitors(), s.alerts(), s.inferences(), s.feedbacks(), s.devices(), s.env(), s.demo(), version())
	root.AddCommand(extra...)
	return root
}

// Execute runs the tree and returns the exit code: 0 success, 1 failure.
func Execute(root *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "slipway: "+describe(err))
		return 1
	}
	return 0
}

// describe is an error's text for the person at the terminal.
func describe(err error) string {
	var f *fault.Error
	if errors.As(err, &f) && f.Text != "" {
		text := f.Text
		if before, _, ok := strings.Cut(err.Error(), f.Error()); ok {
			text = before + text
		}
		if f.Reason != "" && f.Reason != string(f.Kind) {
			text += " (" + f.Reason + ")"
		}
		return text
	}
	return err.Error()
}

// DefaultData is $SLIPWAY_DATA, or `slipway` in the user's data folder.
func DefaultData() string {
	if dir := os.Getenv("SLIPWAY_DATA"); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "slipway")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".slipway"
	}
	return filepath.Join(home, ".local", "share", "slipway")
}

// address is where the platform is.
func (s *session) address() string {
	for _, u := range []string{s.url, os.Getenv("SLIPWAY_URL")} {
		if u != "" {
			return strings.TrimRight(u, "/")
		}
	}
	return defaultURL
}

// token is $SLIPWAY_TOKEN, or the admin token in the data folder. It is never taken from a flag: the process list would
// show it.
func (s *session) token() (config.Secret, error) {
	if t := os.Getenv("SLIPWAY_TOKEN"); t != "" {
		return config.Secret(t), nil
	}
	file := filepath.Join(s.data, "admin.token")
	raw, err := os.ReadFile(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", nil // a platform with --auth none needs none; another one says so
	case err != nil:
		return "", fmt.Errorf("read the admin token: %w (set SLIPWAY_TOKEN to use another)", err)
	}
	return config.Secret(strings.TrimSpace(string(raw))), nil
}

// dial connects to the platform.
func (s *session) dial() (*restconn.Conn, error) {
	token, err := s.token()
	if err != nil {
		return nil, err
	}
	return restconn.New(s.address(), token, http.DefaultClient), nil
}

// show prints a message as JSON, or by the table that draw fills.
func (s *session) show(cmd *cobra.Command, m proto.Message, draw func(t *table)) error {
	out := cmd.OutOrStdout()
	if s.output == "json" {
		raw, err := protojson.MarshalOptions{Multiline: true, UseProtoNames: true, EmitUnpopulated: false}.Marshal(m)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, string(raw))
		return err
	}
	t := &table{w: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	draw(t)
	return t.w.Flush()
}

// table writes rows of cells; the first row is the head.
type table struct{ w *tabwriter.Writer }

func (t *table) row(cells ...any) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(t.w, "\t")
		}
		fmt.Fprint(t.w, c)
	}
	fmt.Fprintln(t.w)
}
