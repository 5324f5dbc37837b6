package boot

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	testv1 "google.golang.org/grpc/interop/grpc_testing"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/lifecycle"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/telemetry"
)

func settings(net *link.Network, tls link.TLS, peers map[string]string) Settings {
	tel := telemetry.Discard()
	return Settings{Log: tel.Log, Telemetry: tel, Net: net, TLS: tls, Clock: clock.System(), IDs: id.UUIDv7(), Peers: peers}
}

// TestPeersReachEachOtherInBothTopologies runs two hosts in one table, in one process and over TCP with mutual TLS.
func TestPeersReachEachOtherInBothTopologies(t *testing.T) {
	t.Parallel()
	mesh := filepath.Join(t.TempDir(), "mesh")
	require.NoError(t, link.IssueMesh(mesh, []string{"registry", "serving"}, nil))
	for name, c := range map[string]struct {
		listen func(string) string
		tls    func(string) link.TLS
	}{
		"one process": {func(s string) string { return "inproc:" + s }, func(string) link.TLS { return link.TLS{} }},
		"a mesh":      {func(string) string { return "127.0.0.1:0" }, func(s string) link.TLS { return link.MeshTLS(mesh, s) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			net, peers := link.NewNetwork(), make(map[string]string)
			var modules []lifecycle.Module
			for _, service := range []string{"serving", "registry"} {
				h, err := NewHost(HostOptions{Name: service, Listen: c.listen(service)}, newEcho(), settings(net, c.tls(service), peers))
				require.NoError(t, err)
				if peers[service] = h.Addr(); h.Addr() == "bufconn" {
					peers[service] = c.listen(service)
				}
				modules = append(modules, h.Module(map[string][]string{"serving": {"registry"}}[service]...))
			}
			table, err := lifecycle.NewTable(modules...)
			require.NoError(t, err)
			require.Equal(t, []string{"registry", "serving"}, table.Order())
			require.NoError(t, table.Start(t.Context()))

			cc, err := settings(net, c.tls("serving"), peers).DialPeer("serving", "registry")
			require.NoError(t, err)
			defer cc.Close()
			_, err = testv1.NewTestServiceClient(cc).EmptyCall(auth.With(t.Context(), auth.Service("serving")), &testv1.Empty{})
			require.NoError(t, err)
			_, err = testv1.NewTestServiceClient(cc).EmptyCall(t.Context(), &testv1.Empty{})
			require.Equal(t, fault.Unauthenticated, fault.KindOf(err))

			// A certificate of the mesh opens only the door it was issued for.
			if c.tls("x").Enabled() {
				swapped := settings(net, c.tls("serving"), map[string]string{"registry": peers["serving"]})
				wrong, err := swapped.DialPeer("serving", "registry")
				require.NoError(t, err)
				defer wrong.Close()
				_, err = testv1.NewTestServiceClient(wrong).EmptyCall(auth.With(t.Context(), auth.Service("serving")), &testv1.Empty{})
				require.Equal(t, fault.Unavailable, fault.KindOf(err))
			}
			require.NoError(t, table.Stop(context.WithoutCancel(t.Context())))
		})
	}
}

func TestAPeerWithoutAnAddressIsAnErrorThatSaysWhatToSet(t *testing.T) {
	t.Parallel()
	s := settings(link.NewNetwork(), link.TLS{}, nil)
	_, err := s.DialPeer("serving", "registry")
	require.True(t, fault.Is(err, fault.Invalid))
	require.Equal(t, "serving needs the address of registry: set peers.registry", fault.Text(err))
}

func TestSettingsForAServiceSpeakInItsName(t *testing.T) {
	t.Parallel()
	s := settings(link.NewNetwork(), link.TLS{}, nil)
	own := s.For("registry")
	require.NotSame(t, s.Telemetry, own.Telemetry)
	require.Same(t, s.Telemetry.Metrics, own.Telemetry.Metrics)
	require.Same(t, own.Telemetry.Log, own.Log)
	require.Same(t, s.Net, own.Net)
}
