package registry_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/lifecycle"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/registry"
)

func settings(dir string) boot.Settings {
	tel := telemetry.Discard()
	return boot.Settings{Log: tel.Log, Telemetry: tel, Net: link.NewNetwork(), Clock: clock.System(), IDs: id.UUIDv7(), DataDir: dir}
}

// live runs a registry with the defaults on a data folder while use uses it.
func live(t *testing.T, dir string, use func(ctx context.Context, conn *grpc.ClientConn)) {
	t.Helper()
	s := settings(dir)
	svc, err := registry.New(t.Context(), registry.Default(), s)
	require.NoError(t, err)
	host, err := boot.NewHost(boot.HostOptions{Name: "registry", Listen: "inproc:registry"}, svc, s)
	require.NoError(t, err)
	table, err := lifecycle.NewTable(host.Module())
	require.NoError(t, err)
	require.NoError(t, table.Start(t.Context()))
	require.NoError(t, table.Ready(t.Context()))
	conn, err := s.Net.Dial("inproc:registry", link.TLS{}, rpc.DialOptions("test", s.Telemetry)...)
	require.NoError(t, err)
	use(auth.With(t.Context(), auth.Principal{Name: "root", Kind: auth.User, Groups: []string{auth.Admins}}), conn)
	require.NoError(t, conn.Close())
	require.NoError(t, table.Stop(t.Context()))
	require.Error(t, svc.Ready(t.Context()), "what has stopped is not ready")
}

func TestARegistryRemembersAcrossALife(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "not made yet")
	live(t, dir, func(ctx context.Context, conn *grpc.ClientConn) {
		_, err := registryv1.NewCatalogServiceClient(conn).CreateCatalog(ctx, &registryv1.CreateCatalogRequest{Name: "main"})
		require.NoError(t, err)
	})
	live(t, dir, func(ctx context.Context, conn *grpc.ClientConn) {
		got, err := registryv1.NewCatalogServiceClient(conn).GetCatalog(ctx, &registryv1.GetCatalogRequest{Name: "main"})
		require.NoError(t, err)
		require.Equal(t, "root", got.GetCatalog().GetOwner())
	})
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		require.Zero(t, info.Mode().Perm()&0o077, "%s is for its owner alone", path)
		return err
	}))
}

// A server that stops tells its watchers so, and does not wait for them.
func TestAWatcherIsSentAwayWhenTheRegistryStops(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	s := settings(t.TempDir())
	svc, err := registry.New(t.Context(), registry.Default(), s)
	require.NoError(t, err)
	host, err := boot.NewHost(boot.HostOptions{Name: "registry", Listen: "inproc:registry"}, svc, s)
	require.NoError(t, err)
	table, err := lifecycle.NewTable(host.Module())
	require.NoError(t, err)
	require.NoError(t, table.Start(t.Context()))
	conn, err := s.Net.Dial("inproc:registry", link.TLS{}, rpc.DialOptions("test", s.Telemetry)...)
	require.NoError(t, err)
	defer conn.Close()
	w, err := registryv1.NewEventServiceClient(conn).WatchEvents(auth.With(t.Context(), auth.Service("gateway")), &registryv1.WatchEventsRequest{})
	require.NoError(t, err)
	_, err = w.Recv() // the heartbeat that ends the history
	require.NoError(t, err)
	go func() {
		_, err := w.Recv()
		ended <- err
	}()
	require.NoError(t, table.Stop(t.Context()))
	err = <-ended
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
}

func TestARegistryThatCannotOpenLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(c *registry.Config){
		"store":     func(c *registry.Config) { c.Store.URL = "mysql://x" },
		"artifacts": func(c *registry.Config) { c.Artifacts.Root = "ftp://x" },
		"setting":   func(c *registry.Config) { c.Events.Poll = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := registry.Default()
			change(&c)
			_, err := registry.New(t.Context(), c, settings(dir))
			require.True(t, fault.Is(err, fault.Invalid), "%v", err)
			_, err = os.Stat(filepath.Join(dir, "registry.db-wal"))
			require.ErrorIs(t, err, fs.ErrNotExist, "a closed database has no log beside it")
		})
	}
}

func TestASecretInAStoreURLStaysOutOfErrors(t *testing.T) {
	t.Parallel()
	c := registry.Default()
	c.Store.URL = config.Secret("postgres://user:hunter2@127.0.0.1:1/db?connect_timeout=1")
	_, err := registry.New(t.Context(), c, settings(t.TempDir()))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}
