package gateway_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/link"
	gatewayv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gateway/v1"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gateway"
)

func TestBothPublicPortsSpeakTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, link.IssueMesh(dir, []string{"gateway"}, nil))
	pem, err := os.ReadFile(filepath.Join(dir, "ca.crt")) //nolint:gosec // the test's own directory
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	trust := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	h := open(t, newPeers(t), t.TempDir(), func(c *gateway.Config) {
		c.TLS = gateway.TLSConfig{CertFile: filepath.Join(dir, "gateway.crt"), KeyFile: filepath.Join(dir, "gateway.key")}
	})

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+h.HTTPAddr()+"/api/slipway/v1/principals/me", nil)
	require.NoError(t, err)
	r.Header.Set("X-Api-Key", h.root(t))
	w, err := client.Do(r)
	require.NoError(t, err)
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, w.StatusCode, "%s", body)
	require.Equal(t, 2, w.ProtoMajor)

	conn, err := grpc.NewClient(h.GRPCAddr(), grpc.WithTransportCredentials(credentials.NewTLS(trust.Clone())))
	require.NoError(t, err)
	defer conn.Close()
	_, err = gatewayv1.NewPrincipalServiceClient(conn).GetPrincipal(as(t, h.root(t)), &gatewayv1.GetPrincipalRequest{Name: "me"})
	require.NoError(t, err)
	_, err = gatewayv1.NewPrincipalServiceClient(h.conn).GetPrincipal(as(t, h.root(t)), &gatewayv1.GetPrincipalRequest{Name: "me"})
	require.Error(t, err, "plaintext finds no one")
}

func TestAPlatformWithoutANodeStartsAndSaysSo(t *testing.T) {
	t.Parallel()
	p, s := newPeers(t), settings(newPeers(t), t.TempDir(), &buffer{})
	s.Net = p.net
	delete(s.Peers, "gpu-runtime")
	svc, err := gateway.New(t.Context(), testConfig(nil), s)
	require.NoError(t, err)
	require.NoError(t, svc.Start(t.Context()))
	h := &house{Service: svc, dir: s.DataDir}
	t.Cleanup(func() { h.shut(t) })
	conn := dial(t, svc.GRPCAddr())
	_, err = gpuruntimev1.NewRuntimeServiceClient(conn).ListDevices(as(t, h.root(t)), &gpuruntimev1.ListDevicesRequest{})
	require.Equal(t, "SERVICE_ABSENT", reasonOf(err))

	delete(s.Peers, "registry")
	_, err = gateway.New(t.Context(), testConfig(nil), s)
	require.True(t, fault.Is(err, fault.Invalid))
	require.Contains(t, fault.Text(err), "peers.registry")
}
