package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-ai/slipway/cmd/slipway/internal/cli"
	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/lifecycle"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/telemetry"
)

// flushLimit is how long the last spans may take on their way out.
const flushLimit = 5 * time.Second

// upFlags are the few settings that deserve a flag; every other one has a key.
type upFlags struct {
	file, http, grpc, target, auth, artifacts string
	set                                       []string
}

func (f *upFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.file, "config", "", "YAML file with settings (docs/reference/config.md lists the keys)")
	flags.StringVar(&f.http, "http", "", "address of the HTTP front (default 127.0.0.1:8080)")
	flags.StringVar(&f.grpc, "grpc", "", "address of the public gRPC port (default 127.0.0.1:9090)")
	flags.StringVar(&f.target, "target", "all", "all, or a list of registry,gpu-runtime,serving,monitor,gateway")
	flags.StringVar(&f.auth, "auth", "", "token, or none on loopback only (default token)")
	flags.StringVar(&f.artifacts, "default-artifact-root", "", "where model files go: a folder or a bucket URL (default below the data folder)")
	flags.StringArrayVar(&f.set, "set", nil, "a setting as key=value, over file and environment; may be repeated")
}

// load reads file, environment and flags over the defaults.
func (f *upFlags) load(cmd *cobra.Command) (*Config, []module, []string, error) {
	data, err := cmd.Flags().GetString("data")
	if err != nil {
		return nil, nil, nil, err
	}
	targets, err := selected(f.target)
	if err != nil {
		return nil, nil, nil, err
	}
	c := defaultConfig(data)
	set, err := f.settings()
	if err != nil {
		return nil, nil, nil, err
	}
	if cmd.Flags().Changed("data") {
		set["data"] = data
	}
	if err := config.Load(&c, config.Options{File: f.file, Environ: environ(), Set: set}); err != nil {
		return nil, nil, nil, err
	}
	if c.Data, err = filepath.Abs(c.Data); err != nil {
		return nil, nil, nil, err
	}
	c.Gateway.Tokens.AdminFile = cmp.Or(c.Gateway.Tokens.AdminFile, filepath.Join(c.Data, "admin.token"))
	warnings, err := c.validate(targets)
	return &c, targets, warnings, err
}

func (f *upFlags) settings() (map[string]string, error) {
	set := map[string]string{}
	for _, kv := range f.set {
		if err := addSetting(set, kv); err != nil {
			return nil, err
		}
	}
	for key, value := range map[string]string{"gateway.http": f.http, "gateway.grpc": f.grpc, "gateway.auth": f.auth, "registry.artifacts.root": f.artifacts} {
		if value != "" {
			set[key] = value
		}
	}
	return set, nil
}

func up() *cobra.Command {
	f := &upFlags{}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the platform in the foreground",
		Long: `Start the platform in this process: registry, gpu-runtime, serving, monitor and gateway, on embedded stores below the
data folder. The first start makes the principal admin and writes its token to DATA/admin.token. SIGTERM or Ctrl-C
drains; a second one ends at once.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, targets, warnings, err := f.load(cmd)
			if err != nil {
				return err
			}
			return run(cmd.Context(), cmd.ErrOrStderr(), c, targets, warnings)
		},
	}
	f.register(cmd)
	return cmd
}

// run is the life of the program: telemetry, doors, table, serve, drain, telemetry.
func run(ctx context.Context, w io.Writer, c *Config, targets []module, warnings []string) error {
	boot.Tune()
	c.Telemetry.Service = "slipway"
	tel, err := telemetry.Setup(context.WithoutCancel(ctx), c.Telemetry)
	if err != nil {
		return err
	}
	defer func() {
		flush, cancel := context.WithTimeout(context.Background(), flushLimit)
		defer cancel()
		_ = tel.Shutdown(flush) // a collector that is not there must not turn a good exit into a bad one
	}()
	for _, warning := range warnings {
		tel.Log.Warn("configuration", "warning", warning)
	}
	unlock, err := lock(c.Data)
	if err != nil {
		return err
	}
	defer unlock()
	table, err := assemble(ctx, c, targets, tel)
	if err != nil {
		return err
	}
	if err := table.Start(ctx); err != nil {
		return err
	}
	welcome(w, c, targets)
	var failed error
	select {
	case <-ctx.Done():
		signal.Reset(os.Interrupt, syscall.SIGTERM) // a second one ends the program at once
		tel.Log.Info("draining", "grace", c.Grace)
	case failed = <-table.Failed():
		tel.Log.Error("a part of the program failed", "error", failed)
	}
	return errors.Join(failed, stop(table, c.Grace.Std()))
}

// stop gives calls and loops the grace each.
func stop(table *lifecycle.Table, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*grace)
	defer cancel()
	return table.Stop(ctx)
}

// assemble opens every door and puts a host around it. What was opened is closed again when a later one fails.
func assemble(ctx context.Context, c *Config, targets []module, tel *telemetry.Telemetry) (table *lifecycle.Table, err error) {
	peers, err := c.addresses(targets)
	if err != nil {
		return nil, err
	}
	shared := boot.Settings{Log: tel.Log, Telemetry: tel, Net: link.NewNetwork(), TLS: c.TLS, Clock: clock.System(), IDs: id.UUIDv7(), Peers: peers}
	var undo []func() error
	defer func() {
		if err == nil {
			return
		}
		for i := len(undo) - 1; i >= 0; i-- {
			err = errors.Join(err, undo[i]())
		}
	}()
	var parts []lifecycle.Module
	for _, m := range targets {
		s := shared.For(m.name)
		s.DataDir = c.dir(m.name)
		if err := os.MkdirAll(s.DataDir, 0o700); err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		svc, err := m.open(ctx, c, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		undo = append(undo, func() error { return svc.Stop(context.WithoutCancel(ctx)) })
		host, err := boot.NewHost(boot.HostOptions{Name: m.name, Listen: peers[m.name], Grace: c.Grace.Std(), Deadline: c.Deadline.Std()}, svc, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		undo = append(undo, host.Close)
		parts = append(parts, host.Module(here(m.needs, targets)...))
	}
	return lifecycle.NewTable(parts...)
}

// lock keeps a second platform off the data folder: two would not share one write-ahead log.
func lock(data string) (unlock func(), err error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another slipway runs on %s; stop it, or give this one its own folder with --data", data)
	}
	return func() { _ = f.Close() }, nil
}

// welcome tells a person what to do next.
func welcome(w io.Writer, c *Config, targets []module) {
	if len(here([]string{"gateway"}, targets)) == 0 {
		return
	}
	flag := ""
	if c.Data != cli.DefaultData() {
		flag = " --data " + c.Data
	}
	fmt.Fprintf(w, `
Slipway %s is ready.

  HTTP     http://%s      gRPC  %s
  data     %s
  token    %s

In another shell:

  slipway demo%[6]s                       the main job, end to end
  eval "$(slipway env%[6]s)"              point OpenAI, MLflow and Databricks clients here

`, boot.Version(), c.Gateway.HTTP, c.Gateway.GRPC, c.Data, c.Gateway.Tokens.AdminFile, flag)
}
