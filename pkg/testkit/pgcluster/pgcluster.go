// Package pgcluster starts a private PostgreSQL from the binaries that are installed: a data folder and a unix socket in
// a temporary folder, no TCP port, durability off. It is for tests and trials. The cluster lives as long as the process
// that started it, however that process ends: a small shell beside the server waits for its standard input to close,
// which the kernel does, then stops the server and removes the folder.
package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// startWithin is far above the second that a start takes: a loaded machine is slow, and a failed start ends the wait.
const startWithin = 60 * time.Second

const superuser = "slipway"

// Cluster is a running server.
type Cluster struct {
	dir    string
	stdin  io.Closer
	exited chan struct{}
}

// Start makes a new cluster and waits until it answers. Root cannot run a server, so for root it runs as the user
// postgres or nobody.
func Start(ctx context.Context) (*Cluster, error) {
	bin, err := Binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "slipway-pg-") // short: a socket's path has about a hundred bytes
	if err != nil {
		return nil, fmt.Errorf("pgcluster: %w", err)
	}
	c := &Cluster{dir: dir, exited: make(chan struct{})}
	if err := c.start(ctx, bin); err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("pgcluster: %w", err)
	}
	return c, nil
}

// Binaries is the folder that holds initdb and postgres: the newest below /usr/lib/postgresql, where Debian keeps them
// out of the path, or the one in the path. The error says what to install.
func Binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), "postgres")); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("pgcluster: no initdb in PATH or /usr/lib/postgresql: install postgresql, or set SLIPWAY_TEST_POSTGRES to the url of a server")
	}
	return filepath.Dir(slices.Max(found)), nil
}

// URL is a connection url to a database of the cluster, by its superuser.
func (c *Cluster) URL(database string) string {
	q := url.Values{"host": {c.dir}, "user": {superuser}, "sslmode": {"disable"}}
	return "postgres:///" + url.PathEscape(database) + "?" + q.Encode()
}

// Stop ends the server at once and removes its folder. The end of the process does the same.
func (c *Cluster) Stop() {
	_ = c.stdin.Close()
	<-c.exited
}

func (c *Cluster) start(ctx context.Context, bin string) error {
	user, err := unprivileged(c.dir)
	if err != nil {
		return err
	}
	data := filepath.Join(c.dir, "data")
	if err := initialize(ctx, bin, data, user); err != nil {
		return err
	}
	if err := c.launch(bin, data, user); err != nil {
		return err
	}
	if err := c.await(ctx); err != nil {
		_ = c.stdin.Close()
		<-c.exited
		return err
	}
	return nil
}

// initialize prefers a language's collation (ICU), because that is what production databases have: a store whose order
// depends on the collation should fail here and not there. A server built without ICU gets C.
func initialize(ctx context.Context, bin, data string, user func(*exec.Cmd)) error {
	var errs []error
	for _, locale := range [][]string{{"--locale=C", "--locale-provider=icu", "--icu-locale=en-US"}, {"--locale=C"}} {
		args := append([]string{"-D", data, "-U", superuser, "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"}, locale...)
		cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), args...)
		cmd.Dir = filepath.Dir(data)
		user(cmd)
		out, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("initdb: %w: %s", err, out))
	}
	return errors.Join(errs...)
}

// guard runs the server until its own standard input ends, which happens when our process does. SIGQUIT is PostgreSQL's
// immediate stop. When the server ends by itself, the folder stays for whoever reads its log.
const guard = `exec 3<&0
"$@" </dev/null >"$LOG" 2>&1 3<&- & server=$!
( cat <&3 >/dev/null; kill -QUIT $server ) & reader=$!
wait $server
if kill $reader 2>/dev/null; then exit 1; fi
rm -rf "$CLUSTER"`

func (c *Cluster) launch(bin, data string, user func(*exec.Cmd)) error {
	settings := []string{
		"listen_addresses=", "unix_socket_directories=" + c.dir, "fsync=off", "synchronous_commit=off", "full_page_writes=off",
		"max_connections=300", "max_locks_per_transaction=256", "shared_buffers=64MB", "deadlock_timeout=100ms", "timezone=UTC",
	}
	args := []string{"-c", guard, "guard", filepath.Join(bin, "postgres"), "-D", data}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	cmd := exec.Command("/bin/sh", args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "LOG="+filepath.Join(c.dir, "log"), "CLUSTER="+c.dir, "LC_ALL=C")
	user(cmd)
	detach(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	c.stdin = stdin
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = cmd.Wait()
		close(c.exited)
	}()
	return nil
}

func (c *Cluster) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-c.exited:
			return fmt.Errorf("the server ended while starting:\n%s", c.log())
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w\n%s", err, c.log())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *Cluster) log() string {
	b, _ := os.ReadFile(filepath.Join(c.dir, "log"))
	return strings.TrimSpace(string(b))
}
