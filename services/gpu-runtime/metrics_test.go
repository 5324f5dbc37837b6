package gpuruntime_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/testkit"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
)

// scrape flattens the metrics to "name{label values}" → value.
func (n *node) scrape(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := n.telemetry.Metrics.Gather()
	require.NoError(t, err)
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			key := fmt.Sprintf("%s{%s}", f.GetName(), strings.Join(labels, ","))
			switch {
			case m.GetCounter() != nil:
				out[key] = m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				out[key] = m.GetGauge().GetValue()
			case m.GetHistogram() != nil:
				out[key] = float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return out
}

func TestWhatANodeDoesIsCounted(t *testing.T) {
	t.Parallel()
	n := tiny2(t, nil)
	_, f, err := n.ask(asService(t), chat("tiny2", "Hello!"), nil)
	require.NoError(t, err)
	_, err = n.Embed(asService(t), &gpuruntimev1.EmbedRequest{InstanceId: "tiny2", Inputs: []string{"a fox"}})
	require.NoError(t, err)
	_, _, err = n.ask(asService(t), &gpuruntimev1.GenerateRequest{InstanceId: "tiny2"}, nil)
	require.Error(t, err)
	testkit.Eventually(t, testkit.Patience, func() bool {
		m := n.scrape(t)
		return m["slipway_runtime_slots{tiny2,busy,main.test.tiny/1}"]+m["slipway_runtime_queued_requests{tiny2,main.test.tiny/1}"] == 0
	}, "a slot stays busy")
	m := n.scrape(t)
	require.EqualValues(t, f.GetUsage().GetOutputTokens(), m["slipway_runtime_tokens_total{output,main.test.tiny/1}"])
	require.Greater(t, m["slipway_runtime_tokens_total{input,main.test.tiny/1}"], float64(f.GetUsage().GetInputTokens()), "those of the embedding too")
	require.EqualValues(t, 1, m["slipway_runtime_requests_total{main.test.tiny/1,generate,FINISH_REASON_STOP}"])
	require.EqualValues(t, 1, m["slipway_runtime_requests_total{main.test.tiny/1,generate,INVALID}"])
	require.EqualValues(t, 1, m["slipway_runtime_requests_total{main.test.tiny/1,embed,OK}"])
	require.EqualValues(t, 1, m["slipway_runtime_first_token_seconds{main.test.tiny/1}"])
	require.EqualValues(t, 1, m["slipway_runtime_instance_state{tiny2,main.test.tiny/1,READY}"])
	require.EqualValues(t, 8, m["slipway_runtime_slots{tiny2,total,main.test.tiny/1}"])
	require.Contains(t, m, "slipway_runtime_queued_requests{tiny2,main.test.tiny/1}")
	require.Contains(t, m, "slipway_runtime_slots{tiny2,busy,main.test.tiny/1}")
	require.Positive(t, m["slipway_runtime_instance_memory_bytes{tiny2,predicted,main.test.tiny/1}"])
	require.Equal(t, m["slipway_runtime_instance_memory_bytes{tiny2,observed,main.test.tiny/1}"], m["slipway_runtime_instance_memory_bytes{tiny2,reserved,main.test.tiny/1}"])
	require.Positive(t, m["slipway_runtime_device_memory_bytes{cpu,total}"])
	require.Positive(t, m["slipway_runtime_model_cache_bytes{}"])
	n.stop()
	for key := range n.scrape(t) {
		require.NotContains(t, key, "slipway_runtime_", "a stopped node leaves no metrics behind")
	}
}
