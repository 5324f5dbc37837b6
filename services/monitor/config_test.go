package monitor_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	monitor "github.com/slipway-ai/slipway/services/monitor"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
)

func TestConfigurationRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	warnings, err := monitor.Default().Validate()
	require.NoError(t, err)
	require.Empty(t, warnings)
	for text, change := range map[string]func(*monitor.Config){
		"flush_interval":   func(c *monitor.Config) { c.Ingest.FlushInterval = 0 },
		"compact_every":    func(c *monitor.Config) { c.Table.CompactEvery = -1 },
		"retention":        func(c *monitor.Config) { c.Table.Retention = config.Duration(time.Minute) },
		"joined_retention": func(c *monitor.Config) { c.Table.JoinedRetention = 0 },
		"checkpoint_every": func(c *monitor.Config) { c.Table.CheckpointEvery = 0 },
		"file_size":        func(c *monitor.Config) { c.Table.FileSize = 10 },
		"max_pending":      func(c *monitor.Config) { c.Ingest.MaxPending = 1 },
		"max_message":      func(c *monitor.Config) { c.Ingest.MaxMessage = 1 },
		"trace_ratio":      func(c *monitor.Config) { c.Ingest.TraceRatio = 1.5 },
		"table.url":        func(c *monitor.Config) { c.Table.URL = "ftp://x/y" },
	} {
		c := monitor.Default()
		change(&c)
		_, err := c.Validate()
		require.True(t, fault.Is(err, fault.Invalid), text)
		require.Contains(t, fault.Text(err), text)
	}
	c := monitor.Default()
	c.Table.URL, c.Ingest.FlushInterval = "mem://x", config.Duration(time.Minute)
	warnings, err = c.Validate()
	require.NoError(t, err)
	require.Len(t, warnings, 2)
}
