package serving_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving"
)

func TestTheDefaultsAreValidAndWarnOfNothing(t *testing.T) {
	t.Parallel()
	warnings, err := serving.Default().Validate()
	require.NoError(t, err)
	require.Empty(t, warnings)
}

func TestEverySettingIsExplained(t *testing.T) {
	t.Parallel()
	c := serving.Default()
	var manual bytes.Buffer
	require.NoError(t, config.Reference(&manual, &c))
	for line := range bytes.Lines(manual.Bytes()) {
		require.NotContains(t, string(line), "|  |\n", "a setting without a word about it")
	}
	require.Contains(t, manual.String(), "| `store.url` | secret |")
}

func TestSettingsThatCannotWorkAreRefusedByName(t *testing.T) {
	t.Parallel()
	for key, change := range map[string]func(*serving.Config){
		"runtime":         func(c *serving.Config) { c.Runtime = "" },
		"instance_prefix": func(c *serving.Config) { c.InstancePrefix = "a.b" },
		"lease":           func(c *serving.Config) { c.Lease = 0 },
		"resync":          func(c *serving.Config) { c.Resync = config.Duration(time.Millisecond) },
		"linger":          func(c *serving.Config) { c.Linger = -1 },
		"workers":         func(c *serving.Config) { c.Workers = 0 },
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			c := serving.Default()
			change(&c)
			_, err := c.Validate()
			require.Equal(t, fault.Invalid, fault.KindOf(err))
			require.Contains(t, fault.Text(err), "serving."+key)
		})
	}
	c := serving.Default()
	c.Linger, c.LoadTimeout = 0, config.Duration(time.Second)
	warnings, err := c.Validate()
	require.NoError(t, err)
	require.Len(t, warnings, 2)
}

func TestADoorThatCannotBeBuiltLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	b := prepare(t)
	s := b.settings()
	delete(s.Peers, "gpu-runtime")
	_, err := serving.New(t.Context(), b.cfg, s)
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	require.Contains(t, err.Error(), "peers.gpu-runtime")
	b.cfg.Store.URL = "mysql://secret@host"
	_, err = serving.New(t.Context(), b.cfg, b.settings())
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	require.NotContains(t, err.Error(), "secret")
}

func TestADoorIsReadyFromItsStartToItsStop(t *testing.T) {
	t.Parallel()
	b := prepare(t)
	s := b.settings()
	s.Clock = clock.System()
	b.cfg.Store.URL = "" // the data folder
	svc, err := serving.New(t.Context(), b.cfg, s)
	require.NoError(t, err)
	require.Error(t, svc.Ready(t.Context()))
	require.NoError(t, svc.Start(t.Context()))
	require.NoError(t, svc.Ready(t.Context()), "peers need not be there")
	require.FileExists(t, s.DataDir+"/serving.db")
	require.NoError(t, svc.Stop(t.Context()))
	require.Error(t, svc.Ready(t.Context()))
}
