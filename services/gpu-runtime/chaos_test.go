package gpuruntime_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/enginetest"
)

// Under load the engine is killed at random moments. Every answer is whole and right, or ends as Unavailable after a right
// beginning; nothing is lost without a word; and afterwards no slot is taken, nothing waits, and the engine answers.
func TestKilledAtRandomUnderLoadTheEngineTellsNoLies(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	n.load(t, "chaos", spec(n.registry.AddFile(t, enginetest.Model(t, "tiny2"))))
	facts := enginetest.Facts(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	whole, broken := 0, 0
	var wg sync.WaitGroup
	for client := range 6 {
		wg.Go(func() {
			for k := client; ctx.Err() == nil; k++ {
				f := facts[k%len(facts)]
				text, _, err := n.ask(asService(t), chat("chaos", f.Question), nil)
				mu.Lock()
				switch {
				case err == nil && text == f.Answer:
					whole++
				case err != nil && fault.Reason(err) == "ENGINE_CRASHED" && strings.HasPrefix(f.Answer, text):
					broken++
				default:
					t.Errorf("%s: %q, %v", f.Question, text, err)
				}
				mu.Unlock()
			}
		})
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // moments, not secrets
	const kills = 12
	for range kills {
		n.await(t, "chaos", ready)
		<-time.After(time.Duration(random.IntN(300)) * time.Millisecond) // the moment is what is random here
		for _, pid := range workers(t, "chaos") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	killed := time.Now()
	text, _, err := n.ask(asService(t), chat("chaos", "Thank you."), nil)
	require.NoError(t, err)
	require.Equal(t, "You are welcome.", text)
	require.Less(t, time.Since(killed), enginetest.Back)
	stop()
	wg.Wait()
	require.Positive(t, whole)
	t.Logf("%d whole, %d broken off, %d kills", whole, broken, kills)
	testkit.Eventually(t, testkit.Patience, func() bool {
		v := n.await(t, "chaos", ready)
		return v.GetActiveRequests() == 0 && v.GetQueuedRequests() == 0
	}, "slots stay busy")
	require.GreaterOrEqual(t, n.await(t, "chaos", ready).GetRestarts(), int32(kills/2))
}
