package registry_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry"
)

func TestTheDefaultsAreValidAndExplained(t *testing.T) {
	t.Parallel()
	c := registry.Default()
	warnings, err := c.Validate()
	require.NoError(t, err)
	require.Empty(t, warnings)
	var page strings.Builder
	require.NoError(t, config.Reference(&page, &c))
	for line := range strings.Lines(page.String()) {
		require.NotContains(t, line, "|  |\n", "every setting is explained")
	}
	require.Contains(t, page.String(), "artifacts.root")
}

func TestSettingsAreReadFromEveryPlace(t *testing.T) {
	t.Parallel()
	root := struct {
		Registry registry.Config `yaml:"registry"`
	}{registry.Default()}
	require.NoError(t, config.Load(&root, config.Options{
		Environ: []string{"SLIPWAY_REGISTRY_STORE_URL=postgres://u:secret@h/db"},
		Set:     map[string]string{"registry.artifacts.root": "s3://bucket", "registry.artifacts.max_file": "1GiB", "registry.events.poll": "5s"},
	}))
	require.Equal(t, "postgres://u:secret@h/db", root.Registry.Store.URL.Reveal())
	require.NotContains(t, root.Registry.Store.URL.String(), "secret")
	require.Equal(t, "s3://bucket", root.Registry.Artifacts.Root)
	require.EqualValues(t, 1<<30, root.Registry.Artifacts.MaxFile)
	require.Equal(t, 5*time.Second, root.Registry.Events.Poll.Std())
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for key, change := range map[string]func(c *registry.Config){
		"artifacts.max_file":    func(c *registry.Config) { c.Artifacts.MaxFile = 0 },
		"artifacts.sweep_every": func(c *registry.Config) { c.Artifacts.SweepEvery = 0 },
		"artifacts.sweep_after": func(c *registry.Config) { c.Artifacts.SweepAfter = -1 },
		"events.poll":           func(c *registry.Config) { c.Events.Poll = 0 },
		"events.heartbeat":      func(c *registry.Config) { c.Events.Heartbeat = config.Duration(16 * time.Second) },
		"events.slow_after":     func(c *registry.Config) { c.Events.SlowAfter = 0 },
	} {
		c := registry.Default()
		change(&c)
		_, err := c.Validate()
		require.True(t, fault.Is(err, fault.Invalid), key)
		require.Contains(t, fault.Text(err), "registry."+key)
	}
	c := registry.Default()
	c.Artifacts.Root, c.Artifacts.SweepAfter = "mem://", config.Duration(time.Minute)
	warnings, err := c.Validate()
	require.NoError(t, err)
	require.Len(t, warnings, 2)
}
