package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-ai/slipway/cmd/slipway/internal/demo"
	"github.com/slipway-ai/slipway/pkg/boot"
)

func (s *session) env() *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: "Print shell exports that point official clients here",
		Long: `Print shell exports. After

  eval "$(slipway env)"

the official OpenAI, MLflow and Databricks clients talk to this platform.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			token, err := s.token()
			if err != nil {
				return err
			}
			if token == "" {
				token = "none" // clients insist on a token; a platform with --auth none ignores it
			}
			url := s.address()
			for _, v := range [][2]string{
				{"SLIPWAY_URL", url},
				{"SLIPWAY_TOKEN", token.Reveal()},
				{"MLFLOW_TRACKING_URI", url},
				{"MLFLOW_TRACKING_TOKEN", token.Reveal()},
				{"DATABRICKS_HOST", url},
				{"DATABRICKS_TOKEN", token.Reveal()},
				{"OPENAI_BASE_URL", url + "/v1"},
				{"OPENAI_API_KEY", token.Reveal()},
			} {
				fmt.Fprintf(cmd.OutOrStdout(), "export %s=%s\n", v[0], quote(v[1]))
			}
			return nil
		},
	}
}

// quote makes a word safe for sh.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (s *session) demo() *cobra.Command {
	o := demo.Options{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the main job, end to end, against a running platform",
		Long: `Register a real model, deploy two prompt versions behind one endpoint, ask it real questions from concurrent
callers, give feedback, set a baseline, shift the questions, see drift and an alert, roll back under load and audit the log.
Every step checks what it claims; the demo ends non-zero when anything is not true.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			o.URL = s.address()
			if o.Token, err = s.token(); err != nil {
				return err
			}
			if o.Model, err = findModel(o.Model); err != nil {
				return err
			}
			o.Out = cmd.OutOrStdout()
			if s.output == "json" {
				o.Out = cmd.ErrOrStderr()
			}
			report, err := demo.Run(cmd.Context(), o)
			if s.output == "json" {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				err = errors.Join(err, enc.Encode(report))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&o.Model, "model", "", "a GGUF file (default: models/tiny2-q8_0.gguf beside the binary)")
	cmd.Flags().IntVar(&o.Clients, "clients", 16, "concurrent callers")
	cmd.Flags().IntVar(&o.Asked, "questions", 240, "questions in each of the three rounds")
	cmd.Flags().BoolVar(&o.Keep, "keep", false, "leave the endpoint serving")
	return cmd
}

const demoModel = "models/tiny2-q8_0.gguf"

// findModel looks where the file is in a checkout, in an unpacked release and in an installation.
func findModel(given string) (string, error) {
	if given != "" {
		_, err := os.Stat(given)
		return given, err
	}
	var places []string
	if exe, err := os.Executable(); err == nil {
		dir := filepath.Dir(exe)
		places = append(places, filepath.Join(dir, demoModel), filepath.Join(dir, "..", demoModel), filepath.Join(dir, "..", "share", "slipway", demoModel))
	}
	places = append(places, demoModel)
	for _, p := range places {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("the demo's model is at none of %s; give one with --model FILE", strings.Join(places, ", "))
}

func version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "slipway", boot.Version()) },
	}
}
