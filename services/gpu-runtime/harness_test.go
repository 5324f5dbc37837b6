package gpuruntime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	gpuruntime "github.com/slipway-ai/slipway/services/gpu-runtime"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/lifecycle"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/pkg/testkit"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/enginetest"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/registrytest"
)

func TestMain(m *testing.M) {
	if gpuruntime.WorkerMain(os.Args[1:]) {
		return
	}
	os.Exit(m.Run())
}

// node is the service behind its door, with a registry beside it.
type node struct {
	gpuruntimev1.RuntimeServiceClient
	gpuruntimev1.InferenceServiceClient
	gpuruntimev1.WatchServiceClient
	registry  *registrytest.Registry
	telemetry *telemetry.Telemetry
	conn      *grpc.ClientConn
	stop      func()
}

type options struct {
	config gpuruntime.Config
	data   string
	traces *testkit.Traces
}

// start opens the door as a program does: New, a host, a module table.
func start(t testing.TB, change func(*options)) *node {
	t.Helper()
	o := options{config: gpuruntime.Default(), data: t.TempDir()}
	o.config.Engine.Dir = enginetest.Pack(t).Dir
	o.config.Engine.Threads = 1
	o.config.Memory.Reserve = 1 << 20
	if change != nil {
		change(&o)
	}
	tel := telemetry.Discard()
	if o.traces != nil {
		var err error
		tel, err = telemetry.Setup(t.Context(), telemetry.Config{Service: gpuruntime.Name, LogLevel: "error", OTLPEndpoint: o.traces.Endpoint(), OTLPInsecure: true, SampleRatio: 1, ExportEvery: config.Duration(50 * time.Millisecond), LogOutput: io.Discard})
		require.NoError(t, err)
		t.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	}
	network := link.NewNetwork()
	n := &node{registry: registrytest.Start(t, network), telemetry: tel}
	s := boot.Settings{
		Log: slog.New(slog.DiscardHandler), Telemetry: tel, Net: network, Clock: clock.System(), IDs: id.UUIDv7(),
		Peers: map[string]string{"registry": "inproc:registry", gpuruntime.Name: "inproc:gpu-runtime"}, DataDir: o.data,
	}
	svc, err := gpuruntime.New(t.Context(), o.config, s)
	require.NoError(t, err)
	host, err := boot.NewHost(boot.HostOptions{Name: gpuruntime.Name, Listen: "inproc:gpu-runtime", Grace: 10 * time.Second}, svc, s)
	require.NoError(t, err)
	table, err := lifecycle.NewTable(host.Module())
	require.NoError(t, err)
	require.NoError(t, table.Start(t.Context()))
	stopped := false
	n.stop = func() {
		if stopped {
			return
		}
		stopped = true
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, table.Stop(ctx))
	}
	t.Cleanup(n.stop)
	n.conn, err = s.DialPeer("gateway", gpuruntime.Name)
	require.NoError(t, err)
	t.Cleanup(func() { _ = n.conn.Close() })
	n.RuntimeServiceClient = gpuruntimev1.NewRuntimeServiceClient(n.conn)
	n.InferenceServiceClient = gpuruntimev1.NewInferenceServiceClient(n.conn)
	n.WatchServiceClient = gpuruntimev1.NewWatchServiceClient(n.conn)
	return n
}

// asService is a context that is patient, as one of the platform's services.
func asService(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	t.Cleanup(cancel)
	return auth.With(ctx, auth.Service("gateway"))
}

func spec(version int64) *gpuruntimev1.ModelSpec {
	return &gpuruntimev1.ModelSpec{Model: registrytest.Model, Version: version}
}

// load asks for an instance and waits until it is in a state.
func (n *node) load(t testing.TB, instance string, s *gpuruntimev1.ModelSpec) *gpuruntimev1.Instance {
	t.Helper()
	resp, err := n.LoadModel(asService(t), &gpuruntimev1.LoadModelRequest{InstanceId: instance, Spec: s})
	require.NoError(t, err)
	require.Equal(t, gpuruntimev1.InstanceState_INSTANCE_STATE_LOADING, resp.GetInstance().GetState())
	return n.await(t, instance, gpuruntimev1.InstanceState_INSTANCE_STATE_READY)
}

func (n *node) await(t testing.TB, instance string, state gpuruntimev1.InstanceState) *gpuruntimev1.Instance {
	t.Helper()
	var last *gpuruntimev1.Instance
	testkit.Eventually(t, testkit.Patience, func() bool {
		resp, err := n.GetInstance(asService(t), &gpuruntimev1.GetInstanceRequest{InstanceId: instance})
		if fault.Is(err, fault.NotFound) {
			return state == gpuruntimev1.InstanceState_INSTANCE_STATE_STOPPED
		}
		last = resp.GetInstance()
		return err == nil && last.GetState() == state
	}, "instance %s does not come to %s", instance, state)
	return last
}

// tiny2 is a node with the model of the known answers, ready.
func tiny2(t testing.TB, change func(*options)) *node {
	t.Helper()
	n := start(t, change)
	n.load(t, "tiny2", spec(n.registry.AddFile(t, enginetest.Model(t, "tiny2"))))
	return n
}

func chat(instance, question string) *gpuruntimev1.GenerateRequest {
	zero := float32(0)
	return &gpuruntimev1.GenerateRequest{InstanceId: instance, Messages: []*gpuruntimev1.Message{{Role: "user", Content: question}}, Sampling: &gpuruntimev1.Sampling{Temperature: &zero}}
}

// ask returns the whole answer. first is called at the first text.
func (n *node) ask(ctx context.Context, req *gpuruntimev1.GenerateRequest, first func()) (string, *gpuruntimev1.Finish, error) {
	stream, err := n.Generate(ctx, req)
	if err != nil {
		return "", nil, err
	}
	var text strings.Builder
	for {
		resp, err := stream.Recv()
		if err != nil {
			return text.String(), nil, err
		}
		if f := resp.GetFinish(); f != nil {
			if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
				return text.String(), f, fmt.Errorf("after the end came %w", err)
			}
			return text.String(), f, nil
		}
		if text.Len() == 0 && first != nil {
			first()
		}
		text.WriteString(resp.GetDelta())
	}
}
