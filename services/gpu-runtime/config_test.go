package gpuruntime_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	gpuruntime "github.com/slipway-ai/slipway/services/gpu-runtime"

	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
)

func TestTheDefaultsAreValidAndWarnOfNothing(t *testing.T) {
	t.Parallel()
	warnings, err := gpuruntime.Default().Validate()
	require.NoError(t, err)
	require.Empty(t, warnings)
}

func TestAConfigThatCannotWorkNamesItsKey(t *testing.T) {
	t.Parallel()
	for key, change := range map[string]func(*gpuruntime.Config){
		"engine.parallel":         func(c *gpuruntime.Config) { c.Engine.Parallel = 0 },
		"engine.context_length":   func(c *gpuruntime.Config) { c.Engine.ContextLength = 1 },
		"engine.threads":          func(c *gpuruntime.Config) { c.Engine.Threads = -1 },
		"supervise.crash_limit":   func(c *gpuruntime.Config) { c.Supervise.CrashLimit = 0 },
		"supervise.start_timeout": func(c *gpuruntime.Config) { c.Supervise.StartTimeout = 0 },
		"cache.max":               func(c *gpuruntime.Config) { c.Cache.Max = 0 },
	} {
		c := gpuruntime.Default()
		change(&c)
		_, err := c.Validate()
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", key, err)
		require.Contains(t, fault.Text(err), key)
		_, err = gpuruntime.New(t.Context(), c, boot.Settings{})
		require.Error(t, err)
	}
	c := gpuruntime.Default()
	c.Supervise.StallTimeout, c.Engine.PromptChunk = config.Duration(time.Second), 4096
	warnings, err := c.Validate()
	require.NoError(t, err)
	require.Len(t, warnings, 2)
}

func TestEveryKeyIsExplained(t *testing.T) {
	t.Parallel()
	c := struct {
		GPURuntime gpuruntime.Config `yaml:"gpu_runtime"`
	}{gpuruntime.Default()}
	var page strings.Builder
	require.NoError(t, config.Reference(&page, &c))
	for _, key := range []string{"gpu_runtime.engine.context_length", "gpu_runtime.cache.max", "gpu_runtime.supervise.attempts", "SLIPWAY_GPU_RUNTIME_STORE_URL"} {
		require.Contains(t, page.String(), key)
	}
}
