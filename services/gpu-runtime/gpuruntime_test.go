package gpuruntime_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/testkit"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/enginetest"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/registrytest"
)

const (
	loading    = gpuruntimev1.InstanceState_INSTANCE_STATE_LOADING
	ready      = gpuruntimev1.InstanceState_INSTANCE_STATE_READY
	restarting = gpuruntimev1.InstanceState_INSTANCE_STATE_RESTARTING
	draining   = gpuruntimev1.InstanceState_INSTANCE_STATE_DRAINING
	failed     = gpuruntimev1.InstanceState_INSTANCE_STATE_FAILED
	stopped    = gpuruntimev1.InstanceState_INSTANCE_STATE_STOPPED
)

func TestARegisteredModelIsLoadedAndAnswersItsFacts(t *testing.T) {
	t.Parallel()
	n := tiny2(t, nil)
	v := n.await(t, "tiny2", ready)
	require.EqualValues(t, 512, v.GetContextLength())
	require.EqualValues(t, 192, v.GetEmbeddingLength())
	require.Equal(t, "cpu", v.GetDeviceId())
	require.Contains(t, v.GetEngine(), "llama.cpp 0.5.0")
	require.Positive(t, v.GetObservedMemoryBytes())
	require.Equal(t, v.GetPredicted().GetWeightsBytes()+v.GetPredicted().GetKvCacheBytes()+v.GetPredicted().GetOverheadBytes(), v.GetPredicted().GetTotalBytes())
	require.NotNil(t, v.GetReadyTime())

	facts := enginetest.Facts(t)
	var wg sync.WaitGroup
	for client := range 8 {
		wg.Go(func() {
			for k := range facts {
				f := facts[(k+client*5)%len(facts)]
				text, finish, err := n.ask(asService(t), chat("tiny2", f.Question), nil)
				if err != nil || text != f.Answer || finish.GetReason() != gpuruntimev1.FinishReason_FINISH_REASON_STOP {
					t.Errorf("%s: %q, %v", f.Question, text, err)
				}
			}
		})
	}
	wg.Wait()
	v = n.await(t, "tiny2", ready)
	testkit.Eventually(t, testkit.Patience, func() bool {
		v := n.await(t, "tiny2", ready)
		return v.GetActiveRequests() == 0 && v.GetQueuedRequests() == 0
	}, "slots stay busy")
	require.Zero(t, v.GetRestarts())
}

func TestAnAnswerIsAccountedFor(t *testing.T) {
	t.Parallel()
	n := tiny2(t, nil)
	req := chat("tiny2", "What is a GPU?")
	req.MaxTokens = 7
	text, f, err := n.ask(asService(t), req, nil)
	require.NoError(t, err)
	require.NotEmpty(t, text)
	require.Equal(t, gpuruntimev1.FinishReason_FINISH_REASON_LENGTH, f.GetReason())
	require.EqualValues(t, 7, f.GetUsage().GetOutputTokens())
	require.Positive(t, f.GetUsage().GetInputTokens())
	require.Positive(t, f.GetFirstTokenUs())
	require.LessOrEqual(t, f.GetQueueUs(), f.GetFirstTokenUs())

	req = chat("tiny2", "What is a GPU?")
	req.Stop = []string{" many"}
	text, f, err = n.ask(asService(t), req, nil)
	require.NoError(t, err)
	require.Equal(t, "A GPU is a chip that does", text)
	require.Equal(t, gpuruntimev1.FinishReason_FINISH_REASON_STOP, f.GetReason())

	req = chat("tiny2", "Tell me a story about a fox.")
	seed, one := int64(7_000_000_000), float32(1)
	req.Sampling = &gpuruntimev1.Sampling{Temperature: &one, Seed: &seed}
	first, _, err := n.ask(asService(t), req, nil)
	require.NoError(t, err)
	again, _, err := n.ask(asService(t), req, nil)
	require.NoError(t, err)
	require.Equal(t, first, again)

	raw := &gpuruntimev1.GenerateRequest{InstanceId: "tiny2", Prompt: "Once there was a child called", MaxTokens: 4, Sampling: chat("", "").GetSampling()}
	text, _, err = n.ask(asService(t), raw, nil)
	require.NoError(t, err)
	require.NotEmpty(t, text)
}

func TestWhatAnInstanceCannotAnswerIsRefusedInWords(t *testing.T) {
	t.Parallel()
	n := tiny2(t, nil)
	both := chat("tiny2", "x")
	both.Prompt = "y"
	role := chat("tiny2", "x")
	role.Messages[0].Role = "oracle"
	hot := chat("tiny2", "x")
	three := float32(3)
	hot.Sampling.Temperature = &three
	for name, c := range map[string]struct {
		req  *gpuruntimev1.GenerateRequest
		kind fault.Kind
		says string
	}{
		"no such instance":           {chat("nobody", "x"), fault.NotFound, "nobody"},
		"neither prompt nor message": {&gpuruntimev1.GenerateRequest{InstanceId: "tiny2"}, fault.Invalid, "needs messages or a prompt"},
		"both":                       {both, fault.Invalid, "not both"},
		"a role nobody knows":        {role, fault.Invalid, "oracle"},
		"too long":                   {chat("tiny2", strings.Repeat("What is drift? ", 200)), fault.Invalid, "context of 512 tokens"},
		"too hot":                    {hot, fault.Invalid, "temperature"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := n.ask(asService(t), c.req, nil)
			require.Equal(t, c.kind, fault.KindOf(err), "%v", err)
			require.Contains(t, fault.Text(err), c.says)
		})
	}
	_, err := n.Embed(asService(t), &gpuruntimev1.EmbedRequest{InstanceId: "tiny2", Inputs: []string{"a", ""}})
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	text, _, err := n.ask(asService(t), chat("tiny2", "Thank you."), nil)
	require.NoError(t, err)
	require.Equal(t, "You are welcome.", text, "and it still answers")
	require.Zero(t, n.await(t, "tiny2", ready).GetRestarts())
}

func TestEmbeddingsAreDeterministicAndOfTheModelsLength(t *testing.T) {
	t.Parallel()
	n := tiny2(t, nil)
	req := &gpuruntimev1.EmbedRequest{InstanceId: "tiny2", Inputs: []string{"the fox ran", "What is a model registry?", "the fox ran"}, Normalize: true}
	one, err := n.Embed(asService(t), req)
	require.NoError(t, err)
	require.Len(t, one.GetEmbeddings(), 3)
	for _, e := range one.GetEmbeddings() {
		require.Len(t, e.GetValues(), 192)
		sum := 0.0
		for _, x := range e.GetValues() {
			sum += float64(x) * float64(x)
		}
		require.InDelta(t, 1, math.Sqrt(sum), 1e-5)
	}
	require.Positive(t, one.GetUsage().GetInputTokens())
	two, err := n.Embed(asService(t), req)
	require.NoError(t, err)
	for i := range one.GetEmbeddings() {
		require.Equal(t, one.GetEmbeddings()[i].GetValues(), two.GetEmbeddings()[i].GetValues())
	}
}

func TestACallerWhoHangsUpFreesTheSlot(t *testing.T) {
	t.Parallel()
	n := tiny2(t, nil)
	ctx, cancel := context.WithCancel(asService(t))
	_, _, err := n.ask(ctx, chat("tiny2", "Tell me a story about a fox."), cancel)
	require.Equal(t, fault.Canceled, fault.KindOf(err), "%v", err)
	testkit.Eventually(t, testkit.Patience, func() bool {
		families, err := n.telemetry.Metrics.Gather()
		require.NoError(t, err)
		busy := -1.0
		for _, f := range families {
			if f.GetName() != "slipway_runtime_slots" {
				continue
			}
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetValue() == "busy" {
						busy = m.GetGauge().GetValue()
					}
				}
			}
		}
		return busy == 0
	}, "the slot stays busy")
	require.Zero(t, n.await(t, "tiny2", ready).GetRestarts())
}

func TestARelativeDataFolderWorks(t *testing.T) {
	t.Parallel()
	wd, err := os.Getwd()
	require.NoError(t, err)
	relative, err := filepath.Rel(wd, t.TempDir())
	require.NoError(t, err)
	n := start(t, func(o *options) { o.data = relative })
	n.load(t, "a", spec(n.registry.AddFile(t, enginetest.Model(t, "tiny"))))
}

func TestLoadingIsIdempotentBySpec(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	version := n.registry.AddFile(t, enginetest.Model(t, "tiny"))
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			_, err := n.LoadModel(asService(t), &gpuruntimev1.LoadModelRequest{InstanceId: "a", Spec: spec(version)})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n.await(t, "a", ready)
	list, err := n.ListInstances(asService(t), &gpuruntimev1.ListInstancesRequest{})
	require.NoError(t, err)
	require.Len(t, list.GetInstances(), 1)
	other := spec(version)
	other.ContextLength = 256
	_, err = n.LoadModel(asService(t), &gpuruntimev1.LoadModelRequest{InstanceId: "a", Spec: other})
	require.Equal(t, fault.AlreadyExists, fault.KindOf(err), "%v", err)
	sent := n.registry.Sent.Load()
	v := n.load(t, "b", other)
	require.EqualValues(t, 256, v.GetContextLength())
	require.Equal(t, sent, n.registry.Sent.Load(), "the file is here already")
}

func TestALoadThatCannotBeIsRefusedAndReservesNothing(t *testing.T) {
	t.Parallel()
	n := start(t, func(o *options) { o.config.Memory.Reserve = 0 })
	good, err := os.ReadFile(enginetest.Model(t, "tiny"))
	require.NoError(t, err)
	version := n.registry.Add("tiny.gguf", good)
	cut := n.registry.Add("cut.gguf", good[:len(good)/2])
	flipped := append([]byte(nil), good...)
	flipped[30] ^= 0xff
	pending := n.registry.Add("pending.gguf", good)
	n.registry.Change(pending, func(v *registryv1.ModelVersion, _ *[]byte) {
		v.Status = registryv1.ModelVersionStatus_MODEL_VERSION_STATUS_PENDING_UPLOAD
	})
	two := n.registry.Add("one.gguf", good)
	n.registry.Change(two, func(v *registryv1.ModelVersion, _ *[]byte) {
		v.Files = append(v.Files, &registryv1.ArtifactFile{Path: "two.GGUF", SizeBytes: 1, Sha256: "00"})
	})
	with := func(version int64, change func(*gpuruntimev1.ModelSpec)) *gpuruntimev1.ModelSpec {
		s := spec(version)
		change(s)
		return s
	}
	for name, c := range map[string]struct {
		spec *gpuruntimev1.ModelSpec
		kind fault.Kind
		says string
	}{
		"no such version":  {spec(99), fault.NotFound, "99"},
		"a file cut short": {spec(cut), fault.Invalid, "cut short"},
		"a flipped header": {spec(n.registry.Add("flip.gguf", flipped)), fault.Invalid, "GGUF"},
		"not a model":      {spec(n.registry.Add("zip.gguf", []byte("PK\x03\x04, but long enough to be read"))), fault.Invalid, "GGUF"},
		"an empty file":    {spec(n.registry.Add("empty.gguf", nil)), fault.Invalid, "GGUF"},
		"not READY":        {spec(pending), fault.FailedPrecondition, "PENDING_UPLOAD"},
		"two model files":  {spec(two), fault.FailedPrecondition, "2 GGUF files"},
		"another file":     {with(version, func(s *gpuruntimev1.ModelSpec) { s.Path = "none.gguf" }), fault.NotFound, "none.gguf"},
		"a longer context": {with(version, func(s *gpuruntimev1.ModelSpec) { s.ContextLength = 4096 }), fault.Invalid, "trained for 512"},
		"no such device":   {with(version, func(s *gpuruntimev1.ModelSpec) { s.DeviceId = "GPU-none" }), fault.Invalid, "GPU-none"},
		"version 0":        {spec(0), fault.Invalid, "version"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := n.LoadModel(asService(t), &gpuruntimev1.LoadModelRequest{InstanceId: "x", Spec: c.spec})
			require.Equal(t, c.kind, fault.KindOf(err), "%v", err)
			require.Contains(t, fault.Text(err), c.says)
		})
	}
	_, err = n.LoadModel(asService(t), &gpuruntimev1.LoadModelRequest{InstanceId: "a b", Spec: spec(version)})
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	list, err := n.ListInstances(asService(t), &gpuruntimev1.ListInstancesRequest{})
	require.NoError(t, err)
	require.Empty(t, list.GetInstances())
	require.Zero(t, reserved(t, n))
}

func reserved(t *testing.T, n *node) int64 {
	t.Helper()
	devices, err := n.ListDevices(asService(t), &gpuruntimev1.ListDevicesRequest{})
	require.NoError(t, err)
	return devices.GetDevices()[0].GetMemoryReservedBytes()
}

func TestWithoutRoomALoadIsRefusedNamingNeedAndFree(t *testing.T) {
	t.Parallel()
	n := start(t, func(o *options) { o.config.Memory.Reserve = 1 << 50 }) // nothing is left of the machine
	version := n.registry.AddFile(t, enginetest.Model(t, "tiny"))
	e, err := n.EstimateModel(asService(t), &gpuruntimev1.EstimateModelRequest{Spec: spec(version)})
	require.NoError(t, err)
	require.False(t, e.GetFits())
	require.Positive(t, e.GetEstimate().GetTotalBytes())
	require.Equal(t, "cpu", e.GetDeviceId())
	_, err = n.LoadModel(asService(t), &gpuruntimev1.LoadModelRequest{InstanceId: "a", Spec: spec(version)})
	require.Equal(t, fault.ResourceExhausted, fault.KindOf(err), "%v", err)
	require.Equal(t, "OUT_OF_MEMORY", fault.Reason(err))
	require.Contains(t, fault.Text(err), "needs ")
	require.Contains(t, fault.Text(err), "are free")
	require.Zero(t, reserved(t, n))
}

func TestAnEstimateReadsTheHeaderAndNotTheModel(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	release := n.registry.Hold(t) // whoever wants more than the beginning waits for ever
	version := n.registry.AddFile(t, enginetest.Model(t, "tiny2"))
	e, err := n.EstimateModel(asService(t), &gpuruntimev1.EstimateModelRequest{Spec: spec(version)})
	require.NoError(t, err)
	require.True(t, e.GetFits())
	require.EqualValues(t, 4*2*(32+32)*2*512*8+4*2*(32+32)*2*512, e.GetEstimate().GetKvCacheBytes(), "eight contexts and one embedding pass")
	release()
}

func TestMoreRequestsAtOnceCostWhatWasPredicted(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	version := n.registry.AddFile(t, enginetest.Model(t, "tiny2"))
	load := func(instance string, parallel int32) *gpuruntimev1.Instance {
		s := spec(version)
		s.Parallel = parallel
		return n.load(t, instance, s)
	}
	one, many := load("one", 1), load("many", 64)
	grown := many.GetPredicted().GetKvCacheBytes() - one.GetPredicted().GetKvCacheBytes()
	require.EqualValues(t, 63*512*4*2*(32+32)*2, grown)
	require.InEpsilon(t, grown, many.GetObservedMemoryBytes()-one.GetObservedMemoryBytes(), 0.25, "the cache is where it was predicted; what two processes need beside it is the same")
}

func TestAnObservationMakesTheNextPredictionExact(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	n := start(t, func(o *options) { o.data = data })
	version := n.registry.AddFile(t, enginetest.Model(t, "tiny2"))
	before := n.load(t, "a", spec(version))
	require.Equal(t, before.GetObservedMemoryBytes(), reserved(t, n), "the ledger holds what was observed")
	n.stop()

	n = start(t, func(o *options) { o.data = data })
	require.Equal(t, version, n.registry.AddFile(t, enginetest.Model(t, "tiny2")))
	e, err := n.EstimateModel(asService(t), &gpuruntimev1.EstimateModelRequest{Spec: spec(version)})
	require.NoError(t, err)
	require.InEpsilon(t, before.GetObservedMemoryBytes(), e.GetEstimate().GetTotalBytes(), 0.1, "what the process before learned")
	require.NotEqual(t, before.GetPredicted().GetTotalBytes(), e.GetEstimate().GetTotalBytes())
}

func TestAFileThatArrivesDamagedFailsTheInstanceAndFreesItsMemory(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	version := n.registry.AddFile(t, enginetest.Model(t, "tiny"))
	n.registry.Change(version, func(_ *registryv1.ModelVersion, b *[]byte) {
		damaged := append([]byte(nil), *b...)
		damaged[len(damaged)-1000] ^= 1 // a weight: no header tells
		*b = damaged
	})
	resp, err := n.LoadModel(asService(t), &gpuruntimev1.LoadModelRequest{InstanceId: "a", Spec: spec(version)})
	require.NoError(t, err)
	require.Equal(t, loading, resp.GetInstance().GetState())
	v := n.await(t, "a", failed)
	require.Contains(t, v.GetMessage(), "SHA-256")
	require.Zero(t, reserved(t, n))
	_, _, err = n.ask(asService(t), chat("a", "x"), nil)
	require.Equal(t, "INSTANCE_FAILED", fault.Reason(err))
	again, err := n.LoadModel(asService(t), &gpuruntimev1.LoadModelRequest{InstanceId: "a", Spec: spec(version)})
	require.NoError(t, err)
	require.Equal(t, failed, again.GetInstance().GetState(), "loading again changes nothing")
	_, err = n.UnloadModel(asService(t), &gpuruntimev1.UnloadModelRequest{InstanceId: "a"})
	require.NoError(t, err)
	n.await(t, "a", stopped)
	_, err = n.UnloadModel(asService(t), &gpuruntimev1.UnloadModelRequest{InstanceId: "a"})
	require.NoError(t, err, "unloading what is gone succeeds")
}

func TestAModelTheEngineRefusesFailsWithTheEnginesWords(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	b, err := os.ReadFile(enginetest.Model(t, "tiny"))
	require.NoError(t, err)
	copy(b[strings.Index(string(b), "blk.1.attn_k.weight"):], "blk.1.attn_x.weight")
	_, err = n.LoadModel(asService(t), &gpuruntimev1.LoadModelRequest{InstanceId: "a", Spec: spec(n.registry.Add("renamed.gguf", b))})
	require.NoError(t, err)
	v := n.await(t, "a", failed)
	require.Contains(t, v.GetMessage(), "blk.1.attn_k.weight")
	require.Zero(t, reserved(t, n))
}

func TestDamageAnywhereInTheHeaderIsACleanError(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	good, err := os.ReadFile(enginetest.Model(t, "tiny"))
	require.NoError(t, err)
	refused, loaded := 0, 0
	for at := 4; at < 12_000; at += 397 {
		b := append([]byte(nil), good...)
		b[at] ^= 0xa5
		instance := fmt.Sprint("damaged-", at)
		_, err := n.LoadModel(asService(t), &gpuruntimev1.LoadModelRequest{InstanceId: instance, Spec: spec(n.registry.Add("damaged.gguf", b))})
		if err != nil {
			require.Equal(t, fault.Invalid, fault.KindOf(err), "byte %d: %v", at, err)
			refused++
			continue
		}
		testkit.Eventually(t, testkit.Patience, func() bool { // a letter in a token's text: the engine may like it or not
			v, err := n.GetInstance(asService(t), &gpuruntimev1.GetInstanceRequest{InstanceId: instance})
			return err == nil && v.GetInstance().GetState() != loading
		}, "byte %d: neither ready nor failed", at)
		loaded++
		_, err = n.UnloadModel(asService(t), &gpuruntimev1.UnloadModelRequest{InstanceId: instance})
		require.NoError(t, err)
		n.await(t, instance, stopped)
	}
	require.Positive(t, refused)
	require.Positive(t, loaded)
	require.Zero(t, reserved(t, n))
}

func TestUnloadingDrainsWhatRuns(t *testing.T) {
	t.Parallel()
	n := tiny2(t, nil)
	begun := make(chan struct{})
	type result struct {
		text string
		err  error
	}
	results := make(chan result, 1)
	go func() {
		text, _, err := n.ask(asService(t), chat("tiny2", "What is a model registry?"), func() { close(begun) })
		results <- result{text, err}
	}()
	<-begun
	_, err := n.UnloadModel(asService(t), &gpuruntimev1.UnloadModelRequest{InstanceId: "tiny2"})
	require.NoError(t, err)
	_, _, err = n.ask(asService(t), chat("tiny2", "Thank you."), nil)
	require.Contains(t, []string{"INSTANCE_STOPPING", "INSTANCE_NOT_FOUND"}, fault.Reason(err), "nothing new is admitted")
	r := <-results
	require.NoError(t, r.err)
	require.Equal(t, "A model registry keeps every version of a model with its files, its tags and its history.", r.text)
	n.await(t, "tiny2", stopped)
	require.Zero(t, reserved(t, n))
}

func TestWhatDoesNotDrainInTimeIsCutOff(t *testing.T) {
	t.Parallel()
	n := tiny2(t, nil)
	_, _, err := n.ask(asService(t), chat("tiny2", "Tell me a story about a horse."), func() {
		_, err := n.UnloadModel(asService(t), &gpuruntimev1.UnloadModelRequest{InstanceId: "tiny2", DrainTimeout: durationpb.New(time.Nanosecond)})
		require.NoError(t, err)
	})
	if err != nil { // the story may have been told faster than the engine was stopped
		require.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
	}
	n.await(t, "tiny2", stopped)
}

func TestALoadCanBeTakenBack(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	n.registry.Hold(t)
	version := n.registry.AddFile(t, enginetest.Model(t, "tiny2"))
	_, err := n.LoadModel(asService(t), &gpuruntimev1.LoadModelRequest{InstanceId: "a", Spec: spec(version)})
	require.NoError(t, err)
	_, _, err = n.ask(asService(t), chat("a", "x"), nil)
	require.Equal(t, "INSTANCE_LOADING", fault.Reason(err))
	_, err = n.UnloadModel(asService(t), &gpuruntimev1.UnloadModelRequest{InstanceId: "a"})
	require.NoError(t, err)
	n.await(t, "a", stopped)
	require.Zero(t, reserved(t, n))
}

func TestConcurrentLoadsShareOneDownload(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	release := n.registry.Hold(t)
	version := n.registry.AddFile(t, enginetest.Model(t, "tiny2"))
	for i := range 3 {
		_, err := n.LoadModel(asService(t), &gpuruntimev1.LoadModelRequest{InstanceId: fmt.Sprint("i", i), Spec: spec(version)})
		require.NoError(t, err)
	}
	release()
	for i := range 3 {
		n.await(t, fmt.Sprint("i", i), ready)
	}
	require.EqualValues(t, 3+1, n.registry.Downloads.Load(), "three headers, one file")
}

func TestOnlyServicesAndAdministratorsMayComeIn(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	user := auth.With(asService(t), auth.Principal{Name: "ana", Kind: auth.User})
	admin := auth.With(asService(t), auth.Principal{Name: "root", Kind: auth.User, Groups: []string{auth.Admins}})
	_, err := n.ListDevices(user, &gpuruntimev1.ListDevicesRequest{})
	require.NoError(t, err)
	_, err = n.ListInstances(admin, &gpuruntimev1.ListInstancesRequest{})
	require.NoError(t, err)
	watch, err := n.WatchInstances(user, &gpuruntimev1.WatchInstancesRequest{})
	require.NoError(t, err)
	_, watchErr := watch.Recv()
	_, listErr := n.ListInstances(user, &gpuruntimev1.ListInstancesRequest{})
	_, getErr := n.GetInstance(user, &gpuruntimev1.GetInstanceRequest{InstanceId: "a"})
	_, loadErr := n.LoadModel(user, &gpuruntimev1.LoadModelRequest{InstanceId: "a", Spec: spec(1)})
	_, unloadErr := n.UnloadModel(user, &gpuruntimev1.UnloadModelRequest{InstanceId: "a"})
	_, estimateErr := n.EstimateModel(user, &gpuruntimev1.EstimateModelRequest{Spec: spec(1)})
	_, embedErr := n.Embed(user, &gpuruntimev1.EmbedRequest{InstanceId: "a", Inputs: []string{"x"}})
	_, _, askErr := n.ask(user, chat("a", "x"), nil)
	for _, err := range []error{watchErr, listErr, getErr, loadErr, unloadErr, estimateErr, embedErr, askErr} {
		require.Equal(t, fault.PermissionDenied, fault.KindOf(err), "%v", err)
	}
}

func TestTheInventoryIsHonest(t *testing.T) {
	t.Parallel()
	n := start(t, func(o *options) { o.config.NVML = "/no/such/driver.so" })
	resp, err := n.ListDevices(asService(t), &gpuruntimev1.ListDevicesRequest{})
	require.NoError(t, err)
	require.Len(t, resp.GetDevices(), 1)
	cpu := resp.GetDevices()[0]
	require.Equal(t, gpuruntimev1.DeviceKind_DEVICE_KIND_CPU, cpu.GetKind())
	require.Positive(t, cpu.GetCores())
	require.Positive(t, cpu.GetMemoryTotalBytes())
	require.Equal(t, []string{"no NVIDIA driver on this machine"}, resp.GetNotes())
}

func TestWithoutAnEnginePackALoadSaysHowToGetOne(t *testing.T) {
	t.Parallel()
	n := start(t, func(o *options) { o.config.Engine.Dir = "/no/engines/here" })
	version := n.registry.AddFile(t, enginetest.Model(t, "tiny"))
	_, err := n.LoadModel(asService(t), &gpuruntimev1.LoadModelRequest{InstanceId: "a", Spec: spec(version)})
	require.Equal(t, fault.FailedPrecondition, fault.KindOf(err), "%v", err)
	require.Contains(t, fault.Text(err), "make engines")
	require.Equal(t, "main.test.tiny", registrytest.Model)
}
