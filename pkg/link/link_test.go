package link_test

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/link"
)

// asked is a health service that tells whether its caller was trusted.
type asked struct {
	healthv1.UnimplementedHealthServer
	trusted chan bool
}

func (a asked) Check(ctx context.Context, _ *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	a.trusted <- link.Trusted(ctx)
	return &healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_SERVING}, nil
}

// serve starts a server at an address and returns where it is and what it learns.
func serve(t *testing.T, n *link.Network, addr string, files link.TLS) (string, asked) {
	t.Helper()
	l, creds, err := n.Listen(addr, files)
	require.NoError(t, err)
	a := asked{trusted: make(chan bool, 16)}
	s := grpc.NewServer(grpc.Creds(creds))
	healthv1.RegisterHealthServer(s, a)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	if l.Addr().Network() == "tcp" {
		addr = l.Addr().String()
	}
	return addr, a
}

func check(t *testing.T, n *link.Network, addr string, files link.TLS, opts ...grpc.DialOption) error {
	t.Helper()
	cc, err := n.Dial(addr, files, opts...)
	require.NoError(t, err)
	defer cc.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err = healthv1.NewHealthClient(cc).Check(ctx, &healthv1.HealthCheckRequest{})
	return err
}

func TestEveryPlaceCarriesTheSameCall(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "link") // t.TempDir is too long for a socket's path
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	mesh := filepath.Join(t.TempDir(), "mesh")
	require.NoError(t, link.IssueMesh(mesh, []string{"registry"}, nil))
	secured := link.MeshTLS(mesh, "registry")
	for name, c := range map[string]struct {
		addr    string
		tls     link.TLS
		trusted bool
	}{
		"in this process":           {"inproc:registry", link.TLS{}, true},
		"in this process, with tls": {"inproc:registry-tls", secured, true},
		"on this machine":           {"unix:" + dir + "/a.sock", link.TLS{}, true},
		"on this machine, as url":   {"unix://" + dir + "/b.sock", link.TLS{}, true},
		"over the network":          {"127.0.0.1:0", link.TLS{}, false},
		"over the network with tls": {"127.0.0.1:0", secured, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := link.NewNetwork()
			addr, a := serve(t, n, c.addr, c.tls)
			require.NoError(t, check(t, n, addr, c.tls))
			require.Equal(t, c.trusted, <-a.trusted)
			if c.addr == "127.0.0.1:0" {
				require.NoError(t, check(t, n, "dns:///"+addr, c.tls))
				require.Equal(t, c.trusted, <-a.trusted)
			}
		})
	}
}

func TestACallerWithoutACertificateOfTheMeshIsTurnedAway(t *testing.T) {
	t.Parallel()
	ours, theirs := filepath.Join(t.TempDir(), "ours"), filepath.Join(t.TempDir(), "theirs")
	require.NoError(t, link.IssueMesh(ours, []string{"registry", "gateway"}, []string{"10.1.2.3", "registry.internal"}))
	require.NoError(t, link.IssueMesh(theirs, []string{"gateway"}, nil))
	n := link.NewNetwork()
	addr, a := serve(t, n, "127.0.0.1:0", link.MeshTLS(ours, "registry"))
	named := grpc.WithAuthority("registry")

	require.NoError(t, check(t, n, addr, link.MeshTLS(ours, "gateway"), named), "a peer of the mesh")
	require.True(t, <-a.trusted)
	require.NoError(t, check(t, n, addr, link.MeshTLS(ours, "gateway"), grpc.WithAuthority("registry.internal")))
	require.NoError(t, check(t, n, addr, link.MeshTLS(ours, "gateway"), grpc.WithAuthority("10.1.2.3")))

	stranger := link.MeshTLS(theirs, "gateway")
	mixed := link.TLS{CAFile: link.MeshTLS(ours, "gateway").CAFile, CertFile: stranger.CertFile, KeyFile: stranger.KeyFile}
	for name, err := range map[string]error{
		"plaintext":                       check(t, n, addr, link.TLS{}),
		"another authority":               check(t, n, addr, stranger, named),
		"a certificate of another mesh":   check(t, n, addr, mixed, named),
		"a door of another name":          check(t, n, addr, link.MeshTLS(ours, "gateway"), grpc.WithAuthority("gateway")),
		"encrypted without a certificate": noClientCertificate(t, addr, ours),
	} {
		require.Equal(t, codes.Unavailable, status.Code(err), "%s: %v", name, err)
	}
}

func TestMeshFilesAreForTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mesh")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "registry.key"), []byte("old"), 0o644))
	require.NoError(t, link.IssueMesh(dir, []string{"registry", "gpu-runtime"}, nil))
	require.NoError(t, link.IssueMesh(dir, []string{"registry", "gpu-runtime"}, nil), "issuing again replaces")
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 6)
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f.Name())
	}
}

func TestARenewedCertificateNeedsNoRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, link.IssueMesh(dir, []string{"registry"}, nil))
	addr, _ := serve(t, link.NewNetwork(), "127.0.0.1:0", link.MeshTLS(dir, "registry"))
	shown := func() string {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		require.NoError(t, err)
		defer func() { _ = c.Close() }()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	old := shown()
	require.Equal(t, old, shown())
	require.NoError(t, link.IssueMesh(dir, []string{"registry"}, nil))
	require.NotEqual(t, old, shown())
}

func TestUnreadableTLSFilesAreAnErrorAtStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, link.IssueMesh(dir, []string{"a", "b"}, nil))
	a, b := link.MeshTLS(dir, "a"), link.MeshTLS(dir, "b")
	n := link.NewNetwork()
	for name, bad := range map[string]link.TLS{
		"half":      {CAFile: a.CAFile},
		"missing":   {CAFile: dir + "/no", CertFile: a.CertFile, KeyFile: a.KeyFile},
		"not PEM":   {CAFile: dir, CertFile: a.CertFile, KeyFile: a.KeyFile},
		"a key":     {CAFile: a.KeyFile, CertFile: a.CertFile, KeyFile: a.KeyFile},
		"not pairs": {CAFile: a.CAFile, CertFile: a.CertFile, KeyFile: b.KeyFile},
	} {
		_, _, err := n.Listen("127.0.0.1:0", bad)
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", name, err)
		_, err = n.Dial("127.0.0.1:1", bad)
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", name, err)
	}
}

func TestNamesOfANetworkAreTakenOnceAndFreedByClosing(t *testing.T) {
	t.Parallel()
	n, other := link.NewNetwork(), link.NewNetwork()
	l, _, err := n.Listen("inproc:registry", link.TLS{})
	require.NoError(t, err)
	_, _, err = n.Listen("inproc:registry", link.TLS{})
	require.True(t, fault.Is(err, fault.AlreadyExists))
	require.Equal(t, codes.Unavailable, status.Code(check(t, other, "inproc:registry", link.TLS{})), "another network knows nothing of it")
	require.NoError(t, l.Close())
	_, a := serve(t, n, "inproc:registry", link.TLS{})
	require.NoError(t, check(t, n, "inproc:registry", link.TLS{}))
	require.True(t, <-a.trusted)
}

func TestADialledServiceMayComeLater(t *testing.T) {
	t.Parallel()
	n := link.NewNetwork()
	cc, err := n.Dial("inproc:late", link.TLS{})
	require.NoError(t, err)
	defer cc.Close()
	client := healthv1.NewHealthClient(cc)
	_, err = client.Check(t.Context(), &healthv1.HealthCheckRequest{})
	require.Equal(t, codes.Unavailable, status.Code(err))
	serve(t, n, "inproc:late", link.TLS{})
	_, err = client.Check(t.Context(), &healthv1.HealthCheckRequest{}, grpc.WaitForReady(true))
	require.NoError(t, err)
}

func TestASocketOfADeadProcessIsReplacedAndALiveOneIsNot(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "link")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := dir + "/s.sock"
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	dead.SetUnlinkOnClose(false)
	require.NoError(t, dead.Close())
	require.FileExists(t, path)

	n := link.NewNetwork()
	live, _, err := n.Listen("unix:"+path, link.TLS{})
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	_, _, err = n.Listen("unix:"+path, link.TLS{})
	require.True(t, fault.Is(err, fault.AlreadyExists))
	require.NoError(t, live.Close())
	require.NoError(t, os.WriteFile(path, []byte("a file of the user's"), 0o600))
	_, _, err = n.Listen("unix:"+path, link.TLS{})
	require.True(t, fault.Is(err, fault.Unavailable))
	require.FileExists(t, path, "only sockets are removed")
}

func TestAddressesThatMeanNothingAreInvalid(t *testing.T) {
	t.Parallel()
	n := link.NewNetwork()
	for _, addr := range []string{"inproc:", "dns:///x:1", "https://x"} {
		_, _, err := n.Listen(addr, link.TLS{})
		require.True(t, fault.Is(err, fault.Invalid), addr)
	}
	_, _, err := n.Listen("256.1.1.1:99999", link.TLS{})
	require.True(t, fault.Is(err, fault.Unavailable))
	_, err = n.Dial("", link.TLS{})
	require.True(t, fault.Is(err, fault.Invalid))
}

// noClientCertificate speaks TLS and believes our authority, but shows nothing of its own.
func noClientCertificate(t *testing.T, addr, dir string) error {
	t.Helper()
	creds, err := credentials.NewClientTLSFromFile(link.MeshTLS(dir, "registry").CAFile, "registry")
	require.NoError(t, err)
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(creds))
	require.NoError(t, err)
	defer cc.Close()
	_, err = healthv1.NewHealthClient(cc).Check(t.Context(), &healthv1.HealthCheckRequest{})
	require.Error(t, err)
	return err
}
