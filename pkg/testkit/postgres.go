package testkit

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/slipway-ai/slipway/pkg/testkit/pgcluster"
)

// EnvPostgres names a server for the tests; without it they start a private one.
const EnvPostgres = "SLIPWAY_TEST_POSTGRES"

// server is the url of the one server of this test process.
var server = sync.OnceValues(func() (string, error) {
	if u := os.Getenv(EnvPostgres); u != "" {
		return u, nil
	}
	c, err := pgcluster.Start(context.Background())
	if err != nil {
		return "", err
	}
	return c.URL("postgres"), nil
})

// Postgres is the url of a fresh schema in a real server, dropped when the test ends. All tests of a process share the
// server, which ends with the process.
func Postgres(t testing.TB) string {
	t.Helper()
	base := serverURL(t)
	name := unique()
	execute(t, base, `create schema `+name)
	t.Cleanup(func() { execute(t, base, `drop schema if exists `+name+` cascade`) })
	return with(t, base, func(u *url.URL) {
		q := u.Query()
		q.Set("search_path", name)
		u.RawQuery = q.Encode()
	})
}

// PostgresDatabase is the url of a fresh database, dropped when the test ends: for tests in which several services must
// not be able to see each other.
func PostgresDatabase(t testing.TB) string {
	t.Helper()
	base := serverURL(t)
	name := unique()
	execute(t, base, `create database `+name)
	t.Cleanup(func() { execute(t, base, `drop database if exists `+name+` with (force)`) })
	return with(t, base, func(u *url.URL) { u.Path = "/" + name })
}

func serverURL(t testing.TB) string {
	t.Helper()
	base, err := server()
	if err != nil {
		t.Fatalf("no PostgreSQL for the tests: %v", err)
	}
	return base
}

func unique() string { return "test_" + strings.ToLower(rand.Text()[:16]) }

func with(t testing.TB, base string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatalf("%s is not a url", EnvPostgres) // not the error: it quotes the url, which may hold a password
	}
	change(u)
	return u.String()
}

func execute(t testing.TB, base, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		t.Errorf("connect to PostgreSQL: %v", err)
		return
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}
