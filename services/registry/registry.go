// Package registry is the catalog of the platform: catalogs, schemas, models and prompts with their immutable versions,
// aliases and tags; the files of model versions; who may do what, decided here for all services; what came from what; and
// a stream of everything that changes. It never runs a model.
//
// This package is the door. New builds a registry whole and starts nothing; what is behind the door is told by the
// packages of internal, from domain (the rules) over store (the contract of its memory) and flow (the verbs) to api (the
// wire).
package registry

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/lifecycle"
	"github.com/slipway-ai/slipway/services/registry/internal/api"
	"github.com/slipway-ai/slipway/services/registry/internal/artifact"
	"github.com/slipway-ai/slipway/services/registry/internal/flow"
	"github.com/slipway-ai/slipway/services/registry/internal/store/sqlstore"
	"github.com/slipway-ai/slipway/services/registry/internal/work"
)

var _ boot.Service = (*Service)(nil)

// Service is a registry.
type Service struct {
	cfg    Config
	clock  clock.Clock
	log    *slog.Logger
	store  *sqlstore.Store
	bucket *artifact.Bucket
	head   *work.Head
	loops  *lifecycle.Group
	gauges *gauges
	verbs  api.Verbs
}

// New opens the store and the bucket and builds the registry. On an error nothing stays open.
func New(ctx context.Context, cfg Config, s boot.Settings) (*Service, error) {
	if _, err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &Service{cfg: cfg, clock: s.Clock, log: s.Log, head: work.NewHead(), loops: lifecycle.NewGroup(ctx)}
	url := cfg.Store.URL.Reveal()
	if url == "" {
		url = "sqlite://" + filepath.Join(s.DataDir, "registry.db")
	}
	var err error
	if r.gauges, err = newGauges(s.Telemetry.Metrics); err != nil {
		return nil, err
	}
	committed := func(position int64) {
		r.head.Advance(position)
		r.gauges.position.Set(float64(r.head.Position()))
	}
	if r.store, err = sqlstore.Open(ctx, url, sqlstore.Options{Log: s.Log, Tracers: s.Telemetry.Tracers, Committed: committed}); err != nil {
		return nil, err
	}
	root := cfg.Artifacts.Root
	if root == "" {
		root = filepath.Join(s.DataDir, "artifacts")
	}
	if r.bucket, err = artifact.Open(ctx, root, s.IDs); err != nil {
		return nil, errors.Join(err, r.store.Close())
	}
	r.verbs = r.build(flow.Desk{Store: r.store, Clock: s.Clock, IDs: s.IDs})
	return r, nil
}

func (r *Service) build(d flow.Desk) api.Verbs {
	return api.Verbs{
		Tree:    flow.Tree{Desk: d},
		Lines:   flow.Lines{Desk: d},
		Models:  flow.Models{Desk: d, Blobs: r.bucket, MaxFile: r.cfg.Artifacts.MaxFile.Int64()},
		Prompts: flow.Prompts{Desk: d},
		Grants:  flow.Grants{Desk: d},
		Lineage: flow.Lineage{Desk: d},
		Events:  flow.Events{Desk: d, Head: r.head, Heartbeat: r.cfg.Events.Heartbeat.Std(), SlowAfter: r.cfg.Events.SlowAfter.Std(), Watching: r.gauges.watching},
	}
}

// Register puts the registry's RPCs on a server.
func (r *Service) Register(s grpc.ServiceRegistrar) { api.Register(s, r.verbs) }

// Start starts the loops.
func (r *Service) Start(context.Context) error {
	r.loops.Go("follow events", func(ctx context.Context) error {
		return r.head.Follow(ctx, r.store, r.clock, r.cfg.Events.Poll.Std(), r.log)
	})
	r.loops.Go("sweep artifacts", work.Sweeper{
		Store: r.store, Bucket: r.bucket, Clock: r.clock, Log: r.log,
		Every: r.cfg.Artifacts.SweepEvery.Std(), After: r.cfg.Artifacts.SweepAfter.Std(), Swept: r.gauges.removed,
	}.Run)
	return nil
}

// Ready is an error while the store or the bucket does not answer.
func (r *Service) Ready(ctx context.Context) error {
	return errors.Join(r.store.Ping(ctx), r.bucket.Ping(ctx))
}

// Failed delivers an error when a loop breaks.
func (r *Service) Failed() <-chan error { return r.loops.Failed() }

// Stop ends the loops and closes the store and the bucket.
func (r *Service) Stop(ctx context.Context) error {
	return errors.Join(r.loops.Stop(ctx), r.bucket.Close(), r.store.Close())
}
