// Package monitor is the door of the monitor service: the inference table that
// request logs are shipped into, and the monitors, alerts and feedback over it.
// Its promise is that an acknowledged record is never lost or doubled, and that
// an audit proves it. It is on no request's way.
package monitor

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/lifecycle"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/api"
	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
	"github.com/slipway-ai/slipway/services/monitor/internal/ingest"
	"github.com/slipway-ai/slipway/services/monitor/internal/peer"
	"github.com/slipway-ai/slipway/services/monitor/internal/store"
	"github.com/slipway-ai/slipway/services/monitor/internal/watch"
	"github.com/slipway-ai/slipway/services/monitor/internal/work"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

// Name is the service's name among its peers.
const Name = "monitor"

// Service is the monitor, built and not yet running until Start.
type Service struct {
	cfg      Config
	db       *sqlkit.DB
	place    delta.Store
	table    *delta.Table
	registry *grpc.ClientConn
	writer   *ingest.Writer
	watch    *watch.Watch
	upkeep   *work.Maintenance
	loops    *lifecycle.Group
	closing  sync.Once

	mu     sync.Mutex
	broken error // the first failure of a loop

	ingest     *api.IngestService
	inferences *api.InferenceService
}

var (
	_ boot.Service = (*Service)(nil)
	_ boot.Tuner   = (*Service)(nil)
)

// New opens the store and the table, which it makes when there is none, and builds
// everything; it starts nothing. The registry need not be up.
func New(ctx context.Context, cfg Config, s boot.Settings) (_ *Service, err error) {
	if _, err := cfg.Validate(); err != nil {
		return nil, err
	}
	svc := &Service{cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, svc.close())
		}
	}()
	url := cfg.Store.URL.Reveal()
	if url == "" {
		url = "sqlite://" + filepath.ToSlash(filepath.Join(s.DataDir, "monitor.db"))
	}
	if svc.db, err = sqlkit.Open(ctx, url, store.Migrations(), sqlkit.Options{Log: s.Log, Tracers: s.Telemetry.Tracers}); err != nil {
		return nil, err
	}
	if err := svc.openTable(ctx, s); err != nil {
		return nil, err
	}
	if svc.registry, err = s.DialPeer(Name, "registry"); err != nil {
		return nil, err
	}
	return svc, svc.assemble(s)
}

// openTable opens the inference table and brings its columns and properties up to
// this program.
func (svc *Service) openTable(ctx context.Context, s boot.Settings) (err error) {
	const op = "monitor.New"
	c := svc.cfg.Table
	place := c.URL.Reveal()
	if place == "" {
		place = filepath.Join(s.DataDir, "inference_log")
	}
	if svc.place, err = delta.OpenStore(ctx, place); err != nil {
		return fault.Wrap(op, fault.Unavailable, err, "the place of the inference table cannot be opened")
	}
	spec := inference.Spec()
	spec.Properties["delta.deletedFileRetentionDuration"] = delta.Interval(c.Retention.Std())
	spec.Properties["delta.logRetentionDuration"] = delta.Interval(c.LogRetention.Std())
	o := inference.TableOptions()
	o.CheckpointEvery, o.CompactedRetention = c.CheckpointEvery, c.JoinedRetention.Std()
	o.Now = s.Clock.Now
	o.Warn = func(what string, err error) {
		s.Log.LogAttrs(context.Background(), slog.LevelWarn, "table work failed", slog.String("work", what), slog.Any("error", err))
	}
	if svc.table, err = delta.OpenOrCreate(ctx, svc.place, spec, o); err != nil {
		return fault.Wrap(op, fault.Unavailable, err, "the inference table cannot be opened")
	}
	return nil
}

// assemble wires the parts.
func (svc *Service) assemble(s boot.Settings) (err error) {
	c := svc.cfg.Ingest
	sources, access := store.NewSourceStore(svc.db), peer.NewAccess(svc.registry)
	metrics, err := ingest.NewMetrics(s.Telemetry.Metrics)
	if err != nil {
		return err
	}
	upkeep, err := work.NewTableMetrics(s.Telemetry.Metrics)
	if err != nil {
		return err
	}
	taking := &flow.Ingest{Sources: sources, Clock: s.Clock, Log: s.Log, Lost: metrics.LostRows}
	limits := inference.DefaultLimits()
	limits.Body = int(c.MaxBody)
	svc.writer = ingest.NewWriter(svc.table, ingest.Options{
		FlushEvery: c.FlushInterval.Std(), FlushRows: c.FlushRows, FlushBytes: c.FlushBytes.Int64(), MaxPending: c.MaxPending.Int64(),
		Limits: limits, Clock: s.Clock, Log: s.Log, Metrics: metrics, Notes: taking.Note,
		Tracing: &ingest.Tracing{Tracer: s.Telemetry.Tracer("github.com/slipway-ai/slipway/services/monitor"), Ratio: c.TraceRatio},
	})
	taking.Writer = svc.writer
	reading := &flow.Inferences{Table: svc.table, Access: access, Sources: sources}
	svc.ingest, svc.inferences = &api.IngestService{Flow: taking}, &api.InferenceService{Flow: reading}
	svc.upkeep = &work.Maintenance{
		Table: svc.table, CompactEvery: svc.cfg.Table.CompactEvery.Std(), VacuumEvery: svc.cfg.Table.VacuumEvery.Std(), Clock: s.Clock, Log: s.Log,
		Metrics: upkeep,
		Compact: delta.CompactOptions{Target: svc.cfg.Table.FileSize.Int64(), Settled: work.Settled(s.Clock.Now, inference.ColRequestDate)},
	}
	svc.watch, err = watch.New(watch.Settings{
		DB: svc.db, Rows: flow.TableRows{Table: svc.table}, Requests: reading, Access: access, Clock: s.Clock, IDs: s.IDs, Log: s.Log,
		Metrics: s.Telemetry.Metrics, WebhookTimeout: svc.cfg.WebhookTimeout.Std(),
	})
	return err
}

// Tune lets senders send batches of records at once.
func (svc *Service) Tune(o *rpc.ServerOptions) {
	o.MaxRecvBytes = max(o.MaxRecvBytes, int(svc.cfg.Ingest.MaxMessage))
}

// Register puts the services on a server.
func (svc *Service) Register(r grpc.ServiceRegistrar) {
	monitorv1.RegisterIngestServiceServer(r, svc.ingest)
	monitorv1.RegisterInferenceServiceServer(r, svc.inferences)
	svc.watch.Register(r)
}

// Start starts the loops.
func (svc *Service) Start(ctx context.Context) error {
	svc.loops = lifecycle.NewGroup(auth.With(ctx, auth.Service(Name)))
	svc.loops.Go("ingest", svc.writer.Run)
	svc.loops.Go("upkeep", svc.upkeep.Run)
	svc.watch.Start()
	return nil
}

// Ready is nil when records can be made durable and the store answers.
func (svc *Service) Ready(ctx context.Context) error {
	if err := svc.db.Ping(ctx); err != nil {
		return err
	}
	if err := svc.writer.Ready(); err != nil {
		return err
	}
	if _, err := svc.table.Refresh(ctx); err != nil {
		return fault.Wrap("monitor.Ready", fault.Unavailable, err, "the inference table cannot be read")
	}
	return svc.failed()
}

// failed remembers the first failure of a loop: a channel tells it once only.
func (svc *Service) failed() error {
	svc.mu.Lock()
	defer svc.mu.Unlock()
	if svc.broken == nil && svc.loops != nil {
		select {
		case svc.broken = <-svc.watch.Failed():
		case svc.broken = <-svc.loops.Failed():
		default:
			return nil
		}
	}
	if svc.broken == nil {
		return nil
	}
	return fault.Wrap("monitor.Ready", fault.Internal, svc.broken, "a loop of the monitor failed")
}

// Stop commits what is in line, ends the loops and closes the stores. What could
// not be committed within ctx was not acknowledged: its senders have it.
func (svc *Service) Stop(ctx context.Context) (err error) {
	if svc.loops != nil {
		err = errors.Join(svc.writer.Drain(ctx), svc.watch.Stop(ctx), svc.loops.Stop(ctx))
	}
	return errors.Join(err, svc.close())
}

func (svc *Service) close() (err error) {
	svc.closing.Do(func() {
		if svc.registry != nil {
			err = errors.Join(err, svc.registry.Close())
		}
		if c, ok := svc.place.(interface{ Close() error }); ok {
			err = errors.Join(err, c.Close())
		}
		if svc.db != nil {
			err = errors.Join(err, svc.db.Close())
		}
	})
	return err
}

// Pending is the number of records that are taken and not yet acknowledged.
func (svc *Service) Pending() int { return svc.writer.Pending() }
