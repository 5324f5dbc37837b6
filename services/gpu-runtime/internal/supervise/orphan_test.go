package supervise_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/enginetest"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/supervise"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/worker"
)

// parentEnv makes this test binary a node that the test can kill. Its value is the worker's configuration.
const parentEnv = "SUPERVISE_TEST_PARENT"

// parent starts an engine, tells its worker's pid, and waits to be killed.
func parent() {
	var c worker.Config
	if err := json.Unmarshal([]byte(os.Getenv(parentEnv)), &c); err != nil {
		panic(err)
	}
	e := supervise.Start(supervise.Options{
		Executable: "/proc/self/exe", Spawner: supervise.NewSpawner(), Log: slog.New(slog.DiscardHandler), Clock: clock.System(), SocketDir: os.Getenv("TMPDIR"),
		StartTimeout: 30 * time.Second, StallTimeout: 20 * time.Second, StepTimeout: time.Minute, RestartWait: 10 * time.Second, StopGrace: 5 * time.Second,
		RestartDelay: 50 * time.Millisecond, RestartDelayMax: time.Second, CrashLimit: 4, StartLimit: 2, Attempts: 3,
		Observe: supervise.Resident, Changed: func(supervise.Status) {},
	}, c)
	told := false
	for e.Status().State != supervise.Failed {
		if s := e.Status(); s.State == supervise.Ready && !told {
			told = true
			fmt.Println(s.PID)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// alive reports whether a process runs; one that is dead and merely not buried yet does not.
func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

func TestAWorkerDiesWithItsNode(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "slipway-orphan-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config, err := json.Marshal(worker.Config{
		Instance: "orphan", Pack: enginetest.Pack(t), Model: enginetest.Model(t, "tiny"), Context: 256, Parallel: 1, Batch: 256, Chunk: 128,
		Queue: 1, Threads: 1, Generate: true, LogLevel: "info",
	})
	require.NoError(t, err)
	node := exec.Command("/proc/self/exe")
	node.Env = append(os.Environ(), parentEnv+"="+string(config), "TMPDIR="+dir, "SLIPWAY_SECRET=do not tell")
	out, err := node.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, node.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	require.True(t, alive(pid))
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	require.NoError(t, err)
	require.NotContains(t, string(environ), "do not tell", "an engine has no use for our secrets")

	require.NoError(t, node.Process.Kill())
	_ = node.Wait()
	testkit.Eventually(t, testkit.Patience, func() bool { return !alive(pid) }, "the worker outlives its node")
}
