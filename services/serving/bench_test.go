package serving_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/pkg/testkit"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/serving"
	"github.com/slipway-ai/slipway/services/serving/internal/peer/peertest"
)

// bench is serving as it runs, with pretended peers, all over in-process gRPC.
type bench struct {
	t         *testing.T
	net       *link.Network
	registry  *peertest.Registry
	runtime   *peertest.Runtime
	cfg       serving.Config
	hosts     map[string]*boot.Host // replicas of serving by address
	endpoints servingv1.EndpointServiceClient
	prompts   servingv1.PromptExecutionServiceClient
}

const model = "main.demo.tiny"

// impatient is the default with waits that a test can wait for.
func impatient() serving.Config {
	c := serving.Default()
	ms := func(n int) config.Duration { return config.Duration(time.Duration(n) * time.Millisecond) }
	c.AckTimeout, c.Linger, c.Resync, c.TablePoll, c.RuntimeGrace = ms(20_000), ms(50), ms(200), ms(20), ms(300)
	c.ProbeTimeout, c.GatewayGrace, c.Lease = ms(2000), ms(5000), ms(2000)
	return c
}

// newBench starts serving on a store. alice may create endpoints and use nine versions of a model.
func newBench(t *testing.T, change ...func(*serving.Config)) *bench {
	t.Helper()
	b := prepare(t, change...)
	b.peer("gpu-runtime", b.runtime.Register)
	b.start("serving")
	return b
}

// prepare is newBench before the runtime and serving are started.
func prepare(t *testing.T, change ...func(*serving.Config)) *bench {
	t.Helper()
	b := &bench{t: t, net: link.NewNetwork(), registry: peertest.NewRegistry(), runtime: peertest.NewRuntime(), cfg: impatient(), hosts: map[string]*boot.Host{}}
	b.cfg.Store.URL = config.Secret(testkit.SQLite(t))
	for _, f := range change {
		f(&b.cfg)
	}
	b.registry.AddModel(model, 9)
	b.registry.Grant("alice", registryv1.Privilege_PRIVILEGE_CREATE_ENDPOINT, "")
	b.registry.Grant("alice", registryv1.Privilege_PRIVILEGE_EXECUTE, model)
	b.peer("registry", b.registry.Register)
	conn := b.dial("test", "serving")
	b.endpoints, b.prompts = servingv1.NewEndpointServiceClient(conn), servingv1.NewPromptExecutionServiceClient(conn)
	return b
}

func (b *bench) peer(name string, register func(grpc.ServiceRegistrar)) {
	b.t.Helper()
	l, creds, err := b.net.Listen("inproc:"+name, link.TLS{})
	require.NoError(b.t, err)
	s, err := rpc.NewServer(rpc.ServerOptions{Service: name, Telemetry: telemetry.Discard(), Creds: creds, TrustPeers: true})
	require.NoError(b.t, err)
	register(s)
	go func(l net.Listener) { _ = s.Serve(l) }(l)
	b.t.Cleanup(s.Stop)
}

func (b *bench) settings() boot.Settings {
	tel := telemetry.Discard()
	return boot.Settings{
		Log: tel.Log, Telemetry: tel, Net: b.net, Clock: clock.System(), IDs: id.UUIDv7(), DataDir: b.t.TempDir(),
		Peers: map[string]string{"registry": "inproc:registry", "gpu-runtime": "inproc:gpu-runtime"},
	}
}

// start starts a replica of serving at an address.
func (b *bench) start(address string) {
	b.t.Helper()
	s := b.settings()
	svc, err := serving.New(b.t.Context(), b.cfg, s)
	require.NoError(b.t, err)
	host, err := boot.NewHost(boot.HostOptions{Name: "serving", Listen: "inproc:" + address, Grace: 5 * time.Second}, svc, s)
	require.NoError(b.t, err)
	m := host.Module()
	require.NoError(b.t, m.Start(b.t.Context()))
	require.NoError(b.t, m.Ready(b.t.Context()))
	b.hosts[address] = host
	b.t.Cleanup(func() { b.stop(address) })
}

func (b *bench) stop(address string) {
	host, ok := b.hosts[address]
	if !ok {
		return
	}
	delete(b.hosts, address)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := host.Module().Stop(ctx); err != nil {
		b.t.Errorf("stop serving: %v", err)
	}
}

func (b *bench) dial(self, name string) *grpc.ClientConn {
	b.t.Helper()
	conn, err := b.net.Dial("inproc:"+name, link.TLS{}, rpc.DialOptions(self, telemetry.Discard())...)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// as is a context on behalf of a user.
func (b *bench) as(user string) context.Context {
	return auth.With(b.t.Context(), auth.Principal{Name: user, Kind: auth.User})
}

// gateway connects a pretended gateway, which comes back whenever its stream breaks, until stop is called.
func (b *bench) gateway(name, address string) (g *peertest.Gateway, stop func()) {
	b.t.Helper()
	g = peertest.NewGateway(name, b.dial("gateway", address), b.dial("gateway", "gpu-runtime"))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if !g.Held() {
				_ = g.Follow(ctx)
			}
			_ = clock.Sleep(ctx, clock.System(), 5*time.Millisecond)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	b.t.Cleanup(stop)
	b.eventually(func() bool { return g.Table() != nil }, "the gateway has a table")
	return g, stop
}

func (b *bench) eventually(cond func() bool, what string) {
	b.t.Helper()
	testkit.Eventually(b.t, testkit.Patience, cond, "%s", what)
}

// versions serves versions of the model, the first with all traffic, as entities named by version.
func versions(references ...string) *servingv1.EndpointConfig {
	c := &servingv1.EndpointConfig{}
	for i, r := range references {
		name := "e" + string(rune('0'+i))
		c.ServedEntities = append(c.ServedEntities, &servingv1.ServedEntity{Name: name, Entity: &servingv1.ServedEntity_Model{Model: &servingv1.ModelEntity{Model: "models:/" + model + r}}})
		c.Routes = append(c.Routes, &servingv1.TrafficRoute{ServedEntity: name, TrafficPercentage: map[bool]int32{true: 100}[i == 0]})
	}
	return c
}

func (b *bench) create(name string, c *servingv1.EndpointConfig) *servingv1.Endpoint {
	b.t.Helper()
	got, err := b.endpoints.CreateEndpoint(b.as("alice"), &servingv1.CreateEndpointRequest{Name: name, Config: c})
	require.NoError(b.t, err)
	return got.GetEndpoint()
}

func (b *bench) update(name string, c *servingv1.EndpointConfig) *servingv1.Endpoint {
	b.t.Helper()
	got, err := b.endpoints.UpdateEndpointConfig(b.as("alice"), &servingv1.UpdateEndpointConfigRequest{Name: name, Config: c})
	require.NoError(b.t, err)
	return got.GetEndpoint()
}

func (b *bench) get(name string) *servingv1.Endpoint {
	b.t.Helper()
	got, err := b.endpoints.GetEndpoint(b.as("alice"), &servingv1.GetEndpointRequest{Name: name})
	require.NoError(b.t, err)
	return got.GetEndpoint()
}

// await polls an endpoint until it is as wanted.
func (b *bench) await(name, what string, cond func(*servingv1.Endpoint) bool) *servingv1.Endpoint {
	b.t.Helper()
	var last *servingv1.Endpoint
	b.eventually(func() bool {
		last = b.get(name)
		return cond(last)
	}, what)
	return last
}

// active awaits that a revision is active and nothing pends.
func (b *bench) active(name string, revision int64) *servingv1.Endpoint {
	b.t.Helper()
	return b.await(name, "the revision is active", func(e *servingv1.Endpoint) bool {
		return e.GetActiveConfig().GetRevision() == revision && e.GetPendingConfig() == nil
	})
}

// serving creates an endpoint and awaits that it is ready.
func (b *bench) serving(name string, c *servingv1.EndpointConfig) *servingv1.Endpoint {
	b.t.Helper()
	b.create(name, c)
	return b.active(name, 1)
}

// only awaits that exactly these many instances are loaded.
func (b *bench) only(n int) {
	b.t.Helper()
	b.eventually(func() bool { return b.runtime.Count() == n }, "nothing else is loaded")
}
