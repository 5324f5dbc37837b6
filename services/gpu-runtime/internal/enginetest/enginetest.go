// Package enginetest gives tests the real engine and the real models. A missing engine pack is a failed test and not a
// skipped one: a suite that is green because nothing ran proves nothing.
package enginetest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/engine/pack"
)

// Fact is a question with the sentence that the test models answer at temperature 0.
type Fact struct{ Question, Answer string }

// Back is the promise that an engine answers again within two seconds of its death, as this build can keep it.
const Back = raceSlowdown * 2 * time.Second

// root is the repository's root, found from this file's own place in it.
func root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("this build does not know its own source paths")
	}
	return filepath.Join(filepath.Dir(file), "..", "..", "..", "..")
}

// Pack is the installed engine pack.
func Pack(t testing.TB) pack.Pack {
	t.Helper()
	p, err := pack.Find(pack.Places{Env: os.Getenv(pack.EnvDir), WorkDir: root(t)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Model is the path of a test model: "tiny" or "tiny2".
func Model(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(root(t), "models", name+"-q8_0.gguf")
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// Facts is the table of known answers.
func Facts(t testing.TB) []Fact {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root(t), "models", "facts.json"))
	if err != nil {
		t.Fatal(err)
	}
	var facts []Fact
	if err := json.Unmarshal(b, &facts); err != nil || len(facts) == 0 {
		t.Fatalf("facts.json holds no facts: %v", err)
	}
	return facts
}
