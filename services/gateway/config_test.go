package gateway_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway"
)

func TestTheDefaultIsValidAndNeedsNoWarning(t *testing.T) {
	t.Parallel()
	c := gateway.Default()
	warnings, err := c.Validate()
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, "127.0.0.1:8080", c.HTTP)
	require.Equal(t, "127.0.0.1:9090", c.GRPC)
	require.Equal(t, gateway.Strict, c.Log.Durability)
}

func TestSettingsThatCannotWorkAreRefusedByName(t *testing.T) {
	t.Parallel()
	for key, change := range map[string]func(*gateway.Config){
		"gateway.http":                       func(c *gateway.Config) { c.HTTP = "8080" },
		"gateway.grpc":                       func(c *gateway.Config) { c.GRPC = "" },
		"gateway.auth":                       func(c *gateway.Config) { c.Auth = "basic" },
		"gateway.tls":                        func(c *gateway.Config) { c.TLS.CertFile = "x" },
		"gateway.tokens.ttl":                 func(c *gateway.Config) { c.Tokens.TTL = config.Duration(time.Hour) },
		"gateway.access.ttl":                 func(c *gateway.Config) { c.Access.TTL = config.Duration(11 * time.Second) },
		"gateway.access.stale":               func(c *gateway.Config) { c.Access.Stale = -1 },
		"gateway.tokens.cached":              func(c *gateway.Config) { c.Tokens.Cached = 0 },
		"gateway.keys.rotate":                func(c *gateway.Config) { c.Keys.Rotate = -1 },
		"gateway.keys.master":                func(c *gateway.Config) { c.Keys.Master, c.Keys.MasterFile = "x", "y" },
		"gateway.limits.requests_per_minute": func(c *gateway.Config) { c.Limits.RequestsPerMinute = 0 },
		"gateway.limits.api_body":            func(c *gateway.Config) { c.Limits.APIBody = 1 },
		"gateway.limits.artifact":            func(c *gateway.Config) { c.Limits.Artifact = -1 },
		"gateway.limits.model_timeout":       func(c *gateway.Config) { c.Limits.ModelTimeout = 0 },
		"gateway.log.durability":             func(c *gateway.Config) { c.Log.Durability = "maybe" },
		"gateway.log.segment":                func(c *gateway.Config) { c.Log.Segment = 1 },
		"gateway.log.max":                    func(c *gateway.Config) { c.Log.Max = c.Log.Segment },
		"gateway.log.keep_body":              func(c *gateway.Config) { c.Log.KeepBody = -1 },
	} {
		c := gateway.Default()
		change(&c)
		_, err := c.Validate()
		require.True(t, fault.Is(err, fault.Invalid), key)
		require.Contains(t, fault.Text(err), key)
	}
}

func TestWhatIsUnwiseIsWarnedOf(t *testing.T) {
	t.Parallel()
	for text, change := range map[string]func(*gateway.Config){
		"every program on this machine": func(c *gateway.Config) { c.Auth = gateway.AuthNone },
		"without TLS":                   func(c *gateway.Config) { c.HTTP = ":8080" },
		"power cut":                     func(c *gateway.Config) { c.Log.Durability = gateway.Group },
		"requests_per_minute is -1":     func(c *gateway.Config) { c.Limits.RequestsPerMinute = -1 },
		"longer than 5m":                func(c *gateway.Config) { c.Access.Stale = config.Duration(time.Hour) },
		"cloud credentials":             func(c *gateway.Config) { c.Providers.AllowLinkLocal = true },
	} {
		c := gateway.Default()
		change(&c)
		warnings, err := c.Validate()
		require.NoError(t, err, text)
		require.Len(t, warnings, 1, text)
		require.Contains(t, warnings[0], text)
	}
}

func TestAFileSetsTheGatewayAndItsManualHidesSecrets(t *testing.T) {
	t.Parallel()
	type root struct {
		Gateway gateway.Config `yaml:"gateway"`
	}
	file := filepath.Join(t.TempDir(), "slipway.yaml")
	require.NoError(t, os.WriteFile(file, []byte("gateway:\n  auth: none\n  log: {durability: group, segment: 1MiB, max: 8MiB}\n  tokens: {ttl: 1s}\n"), 0o600))
	r := root{Gateway: gateway.Default()}
	require.NoError(t, config.Load(&r, config.Options{
		File: file, Environ: []string{"SLIPWAY_GATEWAY_KEYS_MASTER=hunter2", "SLIPWAY_GATEWAY_LIMITS_REQUESTS_PER_MINUTE=7"}, Set: map[string]string{"gateway.http": "127.0.0.1:1"},
	}))
	require.Equal(t, gateway.AuthNone, r.Gateway.Auth)
	require.Equal(t, gateway.Group, r.Gateway.Log.Durability)
	require.Equal(t, 7, r.Gateway.Limits.RequestsPerMinute)
	require.Equal(t, "127.0.0.1:1", r.Gateway.HTTP)
	require.Equal(t, "hunter2", r.Gateway.Keys.Master.Reveal())
	var manual bytes.Buffer
	require.NoError(t, config.Reference(&manual, &r))
	require.Contains(t, manual.String(), "gateway.log.durability")
	require.NotContains(t, manual.String(), "hunter2")
}
