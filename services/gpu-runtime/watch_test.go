package gpuruntime_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/testkit"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/enginetest"
)

func TestAWatchShowsALifeFromEndToEnd(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	version := n.registry.AddFile(t, enginetest.Model(t, "tiny"))
	watch, err := n.WatchInstances(asService(t), &gpuruntimev1.WatchInstancesRequest{})
	require.NoError(t, err)
	first, err := watch.Recv()
	require.NoError(t, err)
	require.True(t, first.GetSnapshot())
	require.Empty(t, first.GetInstances())
	_, err = n.LoadModel(asService(t), &gpuruntimev1.LoadModelRequest{InstanceId: "a", Spec: spec(version)})
	require.NoError(t, err)
	var states []gpuruntimev1.InstanceState
	generation := int64(0)
	for len(states) == 0 || states[len(states)-1] != stopped {
		resp, err := watch.Recv()
		require.NoError(t, err)
		require.False(t, resp.GetSnapshot())
		for _, v := range resp.GetInstances() {
			require.Greater(t, v.GetGeneration(), generation)
			generation = v.GetGeneration()
			if len(states) == 0 || states[len(states)-1] != v.GetState() {
				states = append(states, v.GetState())
				if v.GetState() == ready {
					late, err := n.WatchInstances(asService(t), &gpuruntimev1.WatchInstancesRequest{})
					require.NoError(t, err)
					snapshot, err := late.Recv()
					require.NoError(t, err)
					require.Len(t, snapshot.GetInstances(), 1)
					_, err = n.UnloadModel(asService(t), &gpuruntimev1.UnloadModelRequest{InstanceId: "a"})
					require.NoError(t, err)
				}
			}
		}
	}
	require.Equal(t, loading, states[0])
	require.Contains(t, states, ready)
}

// workers finds the engine workers of this test process for an instance, by their command lines.
func workers(t *testing.T, instance string) []int {
	t.Helper()
	var pids []int
	dirs, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, dir := range dirs {
		cmd, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !strings.HasSuffix(string(cmd), "\x00engine-worker\x00"+instance+"\x00") {
			continue
		}
		status, _ := os.ReadFile(filepath.Join(dir, "stat"))
		_, after, _ := strings.Cut(string(status), ") ")
		if f := strings.Fields(after); len(f) > 1 && f[0] != "Z" && f[1] == strconv.Itoa(os.Getpid()) {
			pid, err := strconv.Atoi(filepath.Base(dir))
			require.NoError(t, err)
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestAKilledEngineIsBackWithinTwoSecondsAndTheWatchShowsIt(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	n.load(t, "kill-me", spec(n.registry.AddFile(t, enginetest.Model(t, "tiny2"))))
	watch, err := n.WatchInstances(asService(t), &gpuruntimev1.WatchInstancesRequest{})
	require.NoError(t, err)
	kill := func() {
		pids := workers(t, "kill-me")
		require.Len(t, pids, 1)
		require.NoError(t, syscall.Kill(pids[0], syscall.SIGKILL))
	}
	_, _, err = n.ask(asService(t), chat("kill-me", "Tell me a story about a duck."), kill)
	require.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
	require.Equal(t, "ENGINE_CRASHED", fault.Reason(err))
	killed := time.Now()
	text, _, err := n.ask(asService(t), chat("kill-me", "Who are you?"), nil)
	require.NoError(t, err)
	require.Equal(t, "I am a very small language model. I was made to test this platform.", text)
	require.Less(t, time.Since(killed), enginetest.Back)

	kill() // with nobody asking: the next request waits for the next worker and never knows
	text, _, err = n.ask(asService(t), chat("kill-me", "Hello!"), nil)
	require.NoError(t, err)
	require.Equal(t, "Hello! How can I help you today?", text)
	require.EqualValues(t, 2, n.await(t, "kill-me", ready).GetRestarts())
	seen := map[gpuruntimev1.InstanceState]bool{}
	for !seen[restarting] {
		resp, err := watch.Recv()
		require.NoError(t, err)
		for _, v := range resp.GetInstances() {
			seen[v.GetState()] = true
		}
	}
}

func TestStoppingTheServiceLeavesNoProcessAndNoSocket(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	n.load(t, "leave-nothing", spec(n.registry.AddFile(t, enginetest.Model(t, "tiny"))))
	require.Len(t, workers(t, "leave-nothing"), 1)
	n.stop()
	testkit.Eventually(t, testkit.Patience, func() bool { return len(workers(t, "leave-nothing")) == 0 }, "a worker is left")
}

func TestARequestsTraceShowsTheWayToTheTokens(t *testing.T) {
	t.Parallel()
	traces := testkit.NewTraces(t)
	n := tiny2(t, func(o *options) { o.traces = traces })
	_, _, err := n.ask(asService(t), chat("tiny2", "What is drift?"), nil)
	require.NoError(t, err)
	decode := traces.Find(t, "decode", func(s testkit.Span) bool { return s.Name == "decode" })
	traces.RequireTree(t, decode.TraceID, `
gpu-runtime: slipway.gpuruntime.v1.InferenceService/Generate
  gpu-runtime: slipway.gpuruntime.v1.InferenceService/Generate
    gpu-runtime: generate
      gpu-runtime: engine attempt
        engine-worker: engine generate
          engine-worker: decode
          engine-worker: prefill
          engine-worker: queue
`)
	load := traces.Find(t, "start engine", func(s testkit.Span) bool { return s.Name == "start engine" })
	tree := traces.Tree(load.TraceID)
	for _, step := range []string{"LoadModel", "load model", "read model header", "fetch model file", "start engine", "DownloadArtifact"} {
		require.Contains(t, tree, step)
	}
}
