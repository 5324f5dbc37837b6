package topology

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-ai/slipway/pkg/testkit"
)

// ForTest starts a platform that lives as long as the test and prints its logs when the test fails.
func ForTest(t testing.TB, o Options) *Platform {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	p, err := Start(t.Context(), o)
	if err != nil {
		t.Fatalf("start the platform: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("stop the platform: %v", err)
		}
		if t.Failed() {
			t.Log(p.Logs())
		}
	})
	return p
}

// TestPostgres gives each service a database of its own in the tests' server.
func TestPostgres(t testing.TB) func(service string) string {
	t.Helper()
	urls := map[string]string{}
	for _, s := range Services {
		urls[s] = testkit.PostgresDatabase(t)
	}
	return func(service string) string { return urls[service] }
}

// DeployModel registers the small model and serves it at the endpoint, whole.
func (p *Platform) DeployModel(t testing.TB, endpoint string) {
	t.Helper()
	model := "main.test." + endpoint
	for _, args := range [][]string{{"catalog", "create", "main"}, {"schema", "create", "main.test"}} {
		if _, err := p.Slipway(t.Context(), args...); err != nil && !strings.Contains(err.Error(), "exist") {
			t.Fatalf("%v\n%s", err, p.Logs())
		}
	}
	p.Must(t, "model", "register", model, ModelFile(t), "--alias", "champion")
	p.Must(t, "endpoint", "deploy", endpoint, "--entity", "main=models:/"+model+"@champion")
}

// Must runs the command line and ends the test when it fails.
func (p *Platform) Must(t testing.TB, args ...string) string {
	t.Helper()
	out, err := p.Slipway(t.Context(), args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Logs())
	}
	return out
}

// ModelFile is the small model that answers known questions exactly.
func ModelFile(t testing.TB) string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "models", "tiny2-q8_0.gguf")
}

// Eventually polls until the condition holds; after a minute the test ends.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	if err := poll(ctx, "not true: "+what, func() (bool, error) { return holds(), nil }); err != nil {
		t.Fatal(err)
	}
}
