package rpc

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/telemetry"
)

func TestTheChainIsInTheOrderThatThePackageArguesFor(t *testing.T) {
	t.Parallel()
	ch, err := newChain(ServerOptions{Service: "test", Telemetry: telemetry.Discard()}.withDefaults())
	require.NoError(t, err)
	require.Equal(t, []string{"requestid", "metrics", "log", "fault", "recover", "auth", "limit", "validate", "deadline"}, ch.names())
}

func TestServersOfOneProcessShareTheirMetrics(t *testing.T) {
	t.Parallel()
	tel := telemetry.Discard()
	for _, service := range []string{"registry", "serving"} {
		_, err := NewServer(ServerOptions{Service: service, Telemetry: tel})
		require.NoError(t, err)
	}
	_, err := NewServer(ServerOptions{Service: "x"})
	require.Error(t, err)
}

func TestTheMethodLabelIsBounded(t *testing.T) {
	t.Parallel()
	m, err := newMetrics(ServerOptions{Service: "test", Telemetry: telemetry.Discard()})
	require.NoError(t, err)
	require.Equal(t, "a.B/C", m.label("/a.B/C"))
	for i := range 2 * maxMethods {
		m.label("/typed.By/Strangers" + string(rune('a'+i%26)) + string(rune('0'+i/26)))
	}
	require.Equal(t, "other", m.label("/one.More/Method"))
	require.Equal(t, "a.B/C", m.label("/a.B/C"), "what is known stays known")
}
