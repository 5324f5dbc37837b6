package ledger_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/gguf"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/ledger"
)

const gib = 1 << 30

// llama8B is Llama 3.1 8B's shape.
func llama8B() gguf.Model {
	kv := make([]int, 32)
	for i := range kv {
		kv[i] = 8
	}
	return gguf.Model{
		Layers: 32, Embedding: 4096, FeedForward: 14336, Heads: 32, KVHeads: kv, KeyLength: 128, ValueLength: 128,
		Vocabulary: 128256, TensorBytes: 15 * gib, Causal: true,
	}
}

func TestTheCacheOfAKnownModelHasItsKnownSize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		context, parallel int
		want              int64
	}{{8192, 1, 1 * gib}, {131072, 1, 16 * gib}, {8192, 4, 4 * gib}, {8000, 1, 1 * gib}} { // 128 KiB a token; 8000 is rounded up
		e := ledger.Predict(ledger.Plan{Model: llama8B(), Context: c.context, Parallel: c.parallel, Batch: 512, Generation: true})
		require.Equal(t, int64(15*gib), e.Weights)
		require.InDelta(t, c.want, e.KVCache, float64(c.want)*0.02)
		require.Equal(t, e.Weights+e.KVCache+e.Overhead, e.Total)
		require.Positive(t, e.Overhead)
	}
}

func TestLayersWithoutKeysCostNoCache(t *testing.T) {
	t.Parallel()
	m := llama8B()
	plan := ledger.Plan{Model: m, Context: 1024, Parallel: 2, Batch: 512, Generation: true}
	full := ledger.Predict(plan).KVCache
	for i := range m.KVHeads {
		if i%4 != 0 {
			m.KVHeads[i] = 0
		}
	}
	require.Equal(t, full/4, ledger.Predict(plan).KVCache)
	m.LatentKV = 576
	plan.Model = m
	require.EqualValues(t, 32*576*2*1024*2, ledger.Predict(plan).KVCache)
	m.LatentKV, m.KVHeads, m.StateElements = 0, make([]int, 32), 1000
	plan.Model = m
	require.EqualValues(t, 32*1000*4*2, ledger.Predict(plan).KVCache, "recurrent state does not grow with the context")
}

func TestAnAbsurdHeaderNeedsAnAbsurdAmount(t *testing.T) {
	t.Parallel()
	m := llama8B()
	m.TensorBytes, m.KeyLength, m.Layers = math.MaxUint64, 1<<24, 4096
	e := ledger.Predict(ledger.Plan{Model: m, Context: 1 << 31, Parallel: 256, Batch: 512, Generation: true, Embedding: 1 << 31})
	require.Greater(t, e.Total, int64(1)<<60)
	e = ledger.Calibration{Factor: 100, Samples: 3}.Apply(e)
	require.Greater(t, e.Total, int64(1)<<60)
}

func TestARefusalNamesNeedAndFree(t *testing.T) {
	t.Parallel()
	l := ledger.New()
	room := ledger.Room{Total: 10 * gib, Free: 8 * gib}
	require.NoError(t, l.Reserve("a", "cpu", 6*gib, room, 0.8))
	err := l.Reserve("b", "cpu", 3*gib, room, 0.8)
	require.True(t, fault.Is(err, fault.ResourceExhausted), "%v", err)
	require.Equal(t, "OUT_OF_MEMORY", fault.Reason(err))
	require.Contains(t, fault.Text(err), "needs 3.0 GiB")
	require.Contains(t, fault.Text(err), "2.0 GiB are free")
	require.NoError(t, l.Reserve("b", "GPU-1", 3*gib, room, 0.8), "another device has its own account")
	require.True(t, fault.Is(l.Reserve("a", "GPU-1", 1, room, 1), fault.AlreadyExists))
	require.Equal(t, int64(6*gib), l.Reserved("cpu"), "a refusal reserves nothing")
}

func TestACommittedModelIsNotSubtractedTwice(t *testing.T) {
	t.Parallel()
	l := ledger.New()
	require.NoError(t, l.Reserve("a", "cpu", 4*gib, ledger.Room{Total: 16 * gib, Free: 16 * gib}, 1))
	require.Equal(t, int64(12*gib), l.Free("cpu", ledger.Room{Total: 16 * gib, Free: 16 * gib}), "promised, not yet used")
	l.Commit("a", 3*gib)
	require.Equal(t, int64(13*gib), l.Free("cpu", ledger.Room{Total: 16 * gib, Free: 13 * gib}), "used, and missing from what is free")
	require.Equal(t, int64(5*gib), l.Free("cpu", ledger.Room{Total: 16 * gib, Free: 5 * gib}), "others use the machine too")
	require.Equal(t, int64(3*gib), l.Held("a"))
	l.Release("a")
	l.Release("a")
	l.Commit("a", gib)
	require.Zero(t, l.Reserved("cpu"), "a late observation does not bring a released model back")
}

func TestPredictionsLearnFromObservations(t *testing.T) {
	t.Parallel()
	e := ledger.Predict(ledger.Plan{Model: llama8B(), Context: 4096, Parallel: 4, Batch: 512, Generation: true})
	var c ledger.Calibration
	require.Equal(t, e, c.Apply(e))
	require.Less(t, c.Share(), c.Observe(1, 1).Share(), "a proven prediction may use more")
	observed := int64(float64(e.Raw()) * 1.3)
	c = c.Observe(e.Raw(), observed)
	require.InDelta(t, observed, c.Apply(e).Total, 1024)
	for range 5 {
		c = c.Observe(e.Raw(), e.Raw())
	}
	require.InDelta(t, e.Raw(), c.Apply(e).Total, float64(e.Raw())*0.02)
	require.Equal(t, c, c.Observe(0, 5))
	require.Equal(t, c, c.Observe(5, 0))
	require.LessOrEqual(t, ledger.Calibration{}.Observe(1, 1<<50).Factor, 4.0)
	require.GreaterOrEqual(t, ledger.Calibration{}.Observe(1<<50, 1).Factor, 0.25)
}

func TestTheBooksBalanceWhateverTheOrder(t *testing.T) {
	t.Parallel()
	l := ledger.New()
	room := ledger.Room{Total: 100, Free: 100}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(worker), 1))
			for i := range 500 {
				id := fmt.Sprint(worker, "-", i)
				if l.Reserve(id, "cpu", r.Int64N(60), room, 1) == nil {
					if r.IntN(2) == 0 {
						l.Commit(id, l.Held(id))
					}
					if sum := l.Reserved("cpu"); sum > 100 {
						t.Errorf("%d of 100 given away", sum)
					}
					l.Release(id)
				}
			}
		})
	}
	wg.Wait()
	require.Zero(t, l.Reserved("cpu"))
}

func TestSizesReadWell(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 820 << 10: "820 KiB", 3 * gib: "3.0 GiB", 1 << 50: "1.0 PiB"} {
		require.Equal(t, want, ledger.Size(n))
	}
}
