// Package testkit is what tests of a real platform need: a real PostgreSQL with a schema per test, both stores from one
// call, a real trace collector that prints a request as a tree, and ways to wait for what another goroutine does without
// sleeping. Everything is cleaned up when the test ends.
package testkit

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
)

// Patience is how long a test waits for what must come. It is far above what anything takes: only a failing test waits
// that long.
const Patience = 20 * time.Second

// EachBackend runs a test on a fresh SQLite file and on a fresh PostgreSQL schema, migrated, in parallel.
func EachBackend(t *testing.T, migrations fs.FS, test func(t *testing.T, db *sqlkit.DB)) {
	t.Helper()
	for name, url := range map[string]func(testing.TB) string{"sqlite": SQLite, "postgres": Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, OpenStore(t, url(t), migrations))
		})
	}
}

// SQLite is the url of a fresh database file.
func SQLite(t testing.TB) string {
	t.Helper()
	return "sqlite://" + filepath.Join(t.TempDir(), "test.db")
}

// OpenStore opens a store and closes it when the test ends.
func OpenStore(t testing.TB, url string, migrations fs.FS) *sqlkit.DB {
	t.Helper()
	db, err := sqlkit.Open(t.Context(), url, migrations, sqlkit.Options{})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return db
}

// Eventually waits until cond is true, looking often, and fails the test when it is not within d. It is for conditions
// that nothing announces; where something can, use a Signal.
func Eventually(t testing.TB, d time.Duration, cond func() bool, msg string, args ...any) {
	t.Helper()
	if !poll(d, cond) {
		t.Fatalf("not within %v: %s", d, fmt.Sprintf(msg, args...))
	}
}

// poll looks at once and then less and less often, from every millisecond to twenty times a second.
func poll(d time.Duration, cond func() bool) bool {
	deadline := time.Now().Add(d)
	for pause := time.Millisecond; ; pause = min(pause*3/2, 50*time.Millisecond) {
		if cond() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		<-time.After(pause)
	}
}
