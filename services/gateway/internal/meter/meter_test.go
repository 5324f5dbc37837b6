package meter_test

import (
	"testing"
	"testing/quick"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/gateway/internal/meter"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

func TestTheUsageVectorIsDisjointAndComplete(t *testing.T) {
	t.Parallel()
	property := func(prompt, cached, audioIn, completion, reasoning, audioOut int32) bool {
		u := meter.FromOpenAI(int64(prompt), int64(cached), int64(audioIn), int64(completion), int64(reasoning), int64(audioOut))
		for _, n := range []int64{u.InputUncached, u.InputCached, u.InputAudio, u.OutputText, u.OutputReasoning, u.OutputAudio} {
			if n < 0 {
				return false
			}
		}
		return u.Input() == max(int64(prompt), 0) && u.Output() == max(int64(completion), 0)
	}
	require.NoError(t, quick.Check(property, nil))
	require.Equal(t, meter.Usage{InputUncached: 3, OutputText: 1, Estimated: true}, meter.Estimate(9, 4))
	require.Equal(t, meter.Usage{Estimated: true}, meter.Estimate(0, 0))
}

func TestARequestIsCountedUnderItsLabels(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	m := meter.New(registry)
	m.Enter()
	b := m.Bind(meter.Labels{Endpoint: "chat", Entity: "m-3", Task: "chat"})
	require.Same(t, b, m.Bind(meter.Labels{Endpoint: "chat", Entity: "m-3", Task: "chat"}))
	for range 2 {
		b.Count(meter.Request{
			Status: 200, Stream: true, Usage: meter.FromOpenAI(100, 40, 0, 50, 0, 0), Duration: time.Second, TTFT: time.Millisecond,
			Overhead: time.Microsecond, Retries: 1,
		})
	}
	b.Count(meter.Request{Status: 499, Usage: meter.Estimate(8, 0)})
	m.Refused("RATE_LIMITED")
	m.Unlogged()
	for name, want := range map[string]float64{
		"slipway_gateway_refused_total": 1, "slipway_gateway_unlogged_rejections_total": 1, "slipway_gateway_requests_in_flight": 1, "slipway_gateway_retries_total": 2,
	} {
		require.InDelta(t, want, sum(t, registry, name, nil), 0, name)
	}
	require.InDelta(t, 2, sum(t, registry, "slipway_gateway_requests_total", prometheus.Labels{"status": "200", "endpoint": "chat"}), 0)
	require.InDelta(t, 80, sum(t, registry, "slipway_gateway_tokens_total", prometheus.Labels{"kind": "input_cached", "counted": "reported"}), 0)
	require.InDelta(t, 120, sum(t, registry, "slipway_gateway_tokens_total", prometheus.Labels{"kind": "input", "counted": "reported"}), 0)
	require.InDelta(t, 2, sum(t, registry, "slipway_gateway_tokens_total", prometheus.Labels{"kind": "input", "counted": "estimated"}), 0)
	m.Leave()
	require.InDelta(t, 0, sum(t, registry, "slipway_gateway_requests_in_flight", nil), 0)
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
}

// sum adds up the samples of a metric that carry the labels.
func sum(t *testing.T, registry *prometheus.Registry, name string, labels prometheus.Labels) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	total := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	samples:
		for _, s := range f.GetMetric() {
			have := map[string]string{}
			for _, l := range s.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			for k, v := range labels {
				if have[k] != v {
					continue samples
				}
			}
			total += s.GetCounter().GetValue() + s.GetGauge().GetValue()
		}
	}
	return total
}

func TestTheLogExportsItsAccount(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	meter.LogMetrics(registry, func() wal.Stats { return wal.Stats{Admitted: 9, Acked: 5, Pending: 4, Level: wal.Warn} })
	require.InDelta(t, 9, sum(t, registry, "slipway_gateway_log_admitted", nil), 0)
	require.InDelta(t, 4, sum(t, registry, "slipway_gateway_log_pending", nil), 0)
	require.InDelta(t, 1, sum(t, registry, "slipway_gateway_log_level", nil), 0)
}

func BenchmarkCount(b *testing.B) {
	m := meter.New(prometheus.NewRegistry())
	r := meter.Request{Status: 200, Usage: meter.FromOpenAI(100, 0, 0, 50, 0, 0), Duration: time.Second}
	b.ReportAllocs()
	for b.Loop() {
		m.Bind(meter.Labels{Endpoint: "chat", Entity: "m-3", Task: "chat"}).Count(r)
	}
}
