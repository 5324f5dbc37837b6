// Package flows runs the journeys of users against whole platforms, each on every topology.
package flows

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/test/topology"
)

// TestTheMainJobIsDone runs `slipway demo`, which checks its own claims and ends non-zero when one is not true. The
// topologies run one after the other: each wants the whole machine.
func TestTheMainJobIsDone(t *testing.T) {
	for name, options := range map[string]func(t *testing.T) topology.Options{
		"one process on SQLite":     func(*testing.T) topology.Options { return topology.Options{} },
		"one process on PostgreSQL": func(t *testing.T) topology.Options { return topology.Options{Postgres: topology.TestPostgres(t)} },
		"five processes, PostgreSQL": func(t *testing.T) topology.Options {
			return topology.Options{Mesh: true, Postgres: topology.TestPostgres(t)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := topology.ForTest(t, options(t))
			cmd := exec.CommandContext(t.Context(), p.CLI, "demo", "--model", topology.ModelFile(t), "--output", "json")
			cmd.Env = append(os.Environ(), p.Env()...)
			var progress logWriter
			cmd.Stderr = &progress
			out, err := cmd.Output()
			require.NoError(t, err, "%s\n%s", progress, p.Logs())
			var report struct {
				Drifted map[string][]string `json:"drifted_columns"`
				Audit   struct{ Admitted, Logged, Pending, Lost, Doubled int64 }
				Seconds float64
			}
			require.NoError(t, json.Unmarshal(out, &report))
			require.Subset(t, report.Drifted["shifted"], []string{"lang", "prompt_chars", "input_tokens"})
			require.Zero(t, report.Audit.Lost)
			require.Zero(t, report.Audit.Doubled)
			require.Equal(t, report.Audit.Admitted, report.Audit.Logged+report.Audit.Pending)
			t.Logf("%.1f s; moved: %v; admitted %d", report.Seconds, report.Drifted["shifted"], report.Audit.Admitted)
		})
	}
}

type logWriter []byte

func (w *logWriter) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

func (w logWriter) String() string { return string(w) }
