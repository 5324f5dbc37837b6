// Package gpuruntime is the door of the service that owns one node's devices and the engines on them. It loads registered
// models into supervised engine workers, answers for them, and tells what it holds. It knows neither endpoints nor users.
//
//	New ──► Register ──► Start ──► (serve) ──► Stop
//
// New opens the store, the model cache and the connection to the registry and starts nothing. Programs that open this door
// call WorkerMain before anything else in main, because engine workers are the same binary started again.
package gpuruntime

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/api"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/cache"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/device"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/engine/pack"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/flow"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/ledger"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/peer"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/store/migrations"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/store/sqlstore"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/supervise"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/worker"
)

// Name is the service's name among its peers.
const Name = "gpu-runtime"

// WorkerMain runs the process as an engine worker when args, the program's arguments without its name, ask for it, and
// returns whether they did. Every main that opens this door begins with
//
//	if gpuruntime.WorkerMain(os.Args[1:]) {
//		return
//	}
//
// and so does the TestMain of every test that does. A worker that fails ends the process itself.
func WorkerMain(args []string) (handled bool) { return worker.Main(args) }

// Service is a node.
type Service struct {
	log        *slog.Logger
	node       *flow.Node
	store      *sqlstore.Store
	registry   *grpc.ClientConn
	devices    *device.Reader
	spawner    *supervise.Spawner
	sockets    string
	metrics    *prometheus.Registry
	collectors []prometheus.Collector
}

var (
	_ boot.Service = (*Service)(nil)
	_ boot.Tuner   = (*Service)(nil)
)

// New builds the service. On an error nothing stays open.
func New(ctx context.Context, c Config, s boot.Settings) (_ *Service, err error) {
	if _, err := c.Validate(); err != nil {
		return nil, err
	}
	svc := &Service{log: s.Log, metrics: s.Telemetry.Metrics}
	defer func() {
		if err != nil {
			err = errors.Join(err, svc.close())
		}
	}()
	data, err := dataDir(s.DataDir)
	if err != nil {
		return nil, err
	}
	db, err := sqlkit.Open(ctx, c.storeURL(data), migrations.FS, sqlkit.Options{Log: s.Log, Tracers: s.Telemetry.Tracers})
	if err != nil {
		return nil, err
	}
	svc.store = sqlstore.New(db)
	models, err := cache.Open(c.cacheDir(data), int64(c.Cache.Max), s.Clock, s.Log)
	if err != nil {
		return nil, err
	}
	if svc.registry, err = s.DialPeer(Name, "registry"); err != nil {
		return nil, err
	}
	if svc.sockets, err = socketDir(); err != nil {
		return nil, err
	}
	svc.devices = device.NewReader(c.NVML)
	svc.spawner = supervise.NewSpawner()
	svc.node = flow.New(flow.Parts{
		Log: s.Log, Clock: s.Clock,
		Tracer: s.Telemetry.Tracer(Name), Worker: s.Telemetry.For("engine-worker").Tracer(Name),
		Metrics: flow.NewMetrics(), Devices: svc.devices, Ledger: ledger.New(), Cache: models, Registry: peer.NewRegistry(svc.registry), Footprints: svc.store,
		Pack:    func() (pack.Pack, error) { return pack.Find(pack.Here(c.Engine.Dir)) },
		Engines: svc.engines(c, s),
		Limits: flow.Limits{
			Context: c.Engine.ContextLength, Parallel: c.Engine.Parallel, Batch: c.Engine.BatchTokens, Chunk: c.Engine.PromptChunk, Queue: c.Engine.Queue,
			EmbeddingTokens: c.Engine.EmbeddingTokens, Threads: c.Engine.Threads, MemoryReserve: int64(c.Memory.Reserve), Drain: c.Engine.Drain.Std(), LogLevel: c.Engine.LogLevel,
		},
	})
	return svc, svc.register()
}

func (s *Service) engines(c Config, b boot.Settings) supervise.Options {
	v := c.Supervise
	return supervise.Options{
		Executable: self(), Spawner: s.spawner, Log: b.Log, Clock: b.Clock, SocketDir: s.sockets, Propagator: b.Telemetry.Propagator,
		StartTimeout: v.StartTimeout.Std(), StallTimeout: v.StallTimeout.Std(), StepTimeout: v.StepTimeout.Std(), RestartWait: v.RestartWait.Std(), StopGrace: v.StopGrace.Std(),
		RestartDelay: v.RestartDelay.Std(), RestartDelayMax: v.RestartDelayMax.Std(), CrashLimit: v.CrashLimit, CrashWindow: v.CrashWindow.Std(), StartLimit: min(startLimit, v.CrashLimit), Attempts: v.Attempts,
	}
}

// startLimit is how often an engine that never came up is tried: the reason is seldom one that passes.
const startLimit = 3

// register puts the metrics on the registry.
func (s *Service) register() error {
	for _, c := range s.node.Metrics.Collectors(s.node) {
		if err := s.metrics.Register(c); err != nil {
			return fault.Wrap("gpuruntime.New", fault.Internal, err, "metrics cannot be registered")
		}
		s.collectors = append(s.collectors, c)
	}
	return nil
}

// Register puts the RPCs on a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	gpuruntimev1.RegisterRuntimeServiceServer(r, &api.Runtime{Node: s.node})
	gpuruntimev1.RegisterWatchServiceServer(r, &api.Watch{Node: s.node})
	gpuruntimev1.RegisterInferenceServiceServer(r, &api.Inference{Node: s.node})
}

// Tune makes room for what the data plane carries: two thousand texts to embed, or a prompt that fills a long context.
func (s *Service) Tune(o *rpc.ServerOptions) { o.MaxRecvBytes = max(o.MaxRecvBytes, maxRequest) }

const maxRequest = 32 << 20

// Start says what the machine has. There is nothing to start: instances have goroutines of their own, from their load on.
func (s *Service) Start(ctx context.Context) error {
	inv, _ := s.node.ListDevices()
	for _, d := range inv.Devices {
		s.log.InfoContext(ctx, "device found", slog.String("device", d.ID), slog.String("name", d.Name), slog.Int64("memory_bytes", d.MemoryTotal), slog.Int("cores", d.Cores))
	}
	for _, note := range inv.Notes {
		s.log.InfoContext(ctx, "device inventory has a note", slog.String("note", note))
	}
	if p, err := s.node.Pack(); err != nil {
		s.log.WarnContext(ctx, "no engine pack; models cannot be loaded until there is one", slog.String("error", fault.Text(err)))
	} else {
		s.log.InfoContext(ctx, "engine pack found", slog.String("engine", p.String()), slog.String("dir", p.Dir))
	}
	return nil
}

// Ready reports whether the service can take a load: its store answers. A missing engine pack or a registry that is away
// stands in the way of loads and not of the instances that run, so neither makes the node unready.
func (s *Service) Ready(ctx context.Context) error { return s.store.Ping(ctx) }

// Stop unloads every instance, draining each within ctx, and closes everything.
func (s *Service) Stop(ctx context.Context) error {
	s.node.Close(ctx)
	return s.close()
}

// close lets go of whatever New had opened, in reverse.
func (s *Service) close() error {
	for _, c := range s.collectors {
		s.metrics.Unregister(c)
	}
	if s.spawner != nil {
		s.spawner.Close()
	}
	if s.devices != nil {
		s.devices.Close()
	}
	var errs []error
	if s.sockets != "" {
		errs = append(errs, os.RemoveAll(s.sockets))
	}
	if s.registry != nil {
		errs = append(errs, s.registry.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}
