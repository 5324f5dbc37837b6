package pgcluster_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/testkit/pgcluster"
)

// envChild turns the test binary into a program that starts a cluster, says where, and waits to be killed.
const envChild = "PGCLUSTER_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) == "" {
		os.Exit(m.Run())
	}
	c, err := pgcluster.Start(context.Background())
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println(c.URL("postgres"))
	select {}
}

func TestClusterAnswersUntilItIsStopped(t *testing.T) {
	t.Parallel()
	c, err := pgcluster.Start(t.Context())
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), c.URL("postgres"))
	require.NoError(t, err)
	var version string
	require.NoError(t, conn.QueryRow(t.Context(), `show server_version`).Scan(&version))
	require.NotEmpty(t, version)
	require.NoError(t, conn.Close(t.Context()))
	c.Stop()
	_, err = os.Stat(folder(t, c.URL("postgres")))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestClusterEndsWithAKilledProcess(t *testing.T) {
	t.Parallel()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), envChild+"=1")
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	url, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(url, "postgres:"), url)
	dir := folder(t, strings.TrimSpace(url))
	require.DirExists(t, dir)

	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	require.Eventually(t, func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	}, 20*time.Second, 10*time.Millisecond, "the killed process left its cluster behind")
}

func folder(t *testing.T, url string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	return cfg.Host
}
