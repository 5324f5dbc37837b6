package boot

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/lifecycle"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/telemetry"
)

// Exit codes of a program.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitAtOnce  = 130 // by a second signal, as a shell counts an interrupt
	flushWithin = 5 * time.Second
)

// Open builds a service from a loaded configuration. It starts nothing, and on an error leaves nothing open.
type Open func(ctx context.Context, s Settings) (Service, error)

// Main runs a thin main and ends the process. root is a pointer to a struct that embeds Common inline and holds the
// service's section with its defaults; open reads that section, which is loaded by then.
//
// The program takes --config FILE, --listen ADDR, --set key=value (repeated), --version, and the commands
// `config verify`, `config reference` and `version`. SIGTERM and SIGINT drain it; a second signal ends it at once.
func Main(name string, root any, open func(ctx context.Context, s Settings) (Service, error)) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	p := program{
		name: name, root: root, open: open,
		args: os.Args[1:], environ: os.Environ(), stdout: os.Stdout, stderr: os.Stderr, signals: signals,
	}
	os.Exit(p.run(context.Background()))
}

// program is a main with its surroundings as values.
type program struct {
	name    string
	root    any
	open    Open
	args    []string
	environ []string
	stdout  io.Writer
	stderr  io.Writer
	signals <-chan os.Signal
	started func(addr, http string) // told the addresses once serving; nil in a real program
}

func (p *program) run(ctx context.Context) int {
	f, err := p.flags()
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case f.version || f.command == "version":
		fmt.Fprintln(p.stdout, p.name, Version())
		return exitOK
	case f.command == "config reference":
		return p.exit(config.Reference(p.stdout, p.root))
	case f.command != "" && f.command != "config verify":
		fmt.Fprintf(p.stderr, "%s: unknown command %q; there are: version, config verify, config reference\n", p.name, f.command)
		return exitUsage
	}
	c, warnings, err := p.load(f)
	if err != nil {
		return p.exit(err)
	}
	if f.command == "config verify" {
		for _, w := range warnings {
			fmt.Fprintln(p.stdout, "warning:", w)
		}
		fmt.Fprintln(p.stdout, "configuration is valid")
		return exitOK
	}
	return p.serve(ctx, c, warnings)
}

// exit prints the operator's text of an error, since the one who started the program is the operator.
func (p *program) exit(err error) int {
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(p.stderr, "%s: %v\n", p.name, err)
	return exitFailed
}

type flags struct {
	config, listen, command string
	version                 bool
	set                     map[string]string
}

func (p *program) flags() (flags, error) {
	f := flags{set: make(map[string]string)}
	fs := flag.NewFlagSet(p.name, flag.ContinueOnError)
	fs.SetOutput(p.stderr)
	fs.StringVar(&f.config, "config", "", "YAML `file` with settings")
	fs.StringVar(&f.listen, "listen", "", "`address` of the gRPC server, over what the configuration says")
	fs.BoolVar(&f.version, "version", false, "print the version and exit")
	fs.Func("set", "a setting as `key=value`, over file and environment; may be repeated", func(s string) error {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return errors.New("want key=value")
		}
		f.set[key] = value
		return nil
	})
	// Flags may stand before and after a command: `registry config verify --config x.yaml` is what people type.
	var words []string
	for rest := p.args; ; {
		if err := fs.Parse(rest); err != nil {
			return f, err
		}
		if rest = fs.Args(); len(rest) == 0 {
			break
		}
		words, rest = append(words, rest[0]), rest[1:]
	}
	f.command = strings.Join(words, " ")
	if f.listen != "" {
		f.set["listen"] = f.listen
	}
	return f, nil
}

// load reads the configuration and lets every section check itself.
func (p *program) load(f flags) (*Common, []string, error) {
	r, ok := p.root.(interface{ common() *Common })
	if !ok {
		return nil, nil, fault.New("boot.Main", fault.Internal, "the root of a configuration embeds boot.Common; %T does not", p.root)
	}
	c := r.common()
	ignore := append([]string(nil), c.Sections...)
	for name := range c.Peers {
		ignore = append(ignore, name)
	}
	if f.config != "" {
		names, err := config.Keys(f.config, "peers")
		if err != nil {
			return nil, nil, err
		}
		ignore = append(ignore, names...)
	}
	o := config.Options{File: f.config, Environ: p.environ, Set: f.set, IgnoreSections: others(ignore, p.root)}
	if err := config.Load(p.root, o); err != nil {
		return nil, nil, err
	}
	c.fill(p.name)
	warnings, err := validate(p.root)
	return c, warnings, err
}

// others leaves out the program's own section, which its peers may also list under peers.
func others(sections []string, root any) []string {
	own := make(map[string]bool)
	t := reflect.TypeOf(root).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		own[strings.ReplaceAll(name, "-", "_")] = true
	}
	var out []string
	for _, s := range sections {
		if !own[strings.ReplaceAll(s, "-", "_")] {
			out = append(out, s)
		}
	}
	return out
}

// validate asks each field of the root that can check itself.
func validate(root any) (warnings []string, err error) {
	type validator interface{ Validate() ([]string, error) }
	v := reflect.ValueOf(root).Elem()
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() {
			continue
		}
		x, ok := v.Field(i).Interface().(validator)
		if !ok {
			x, ok = v.Field(i).Addr().Interface().(validator)
		}
		if !ok {
			continue
		}
		w, err := x.Validate()
		if err != nil {
			return nil, err
		}
		warnings = append(warnings, w...)
	}
	return warnings, nil
}

// serve is the life itself.
func (p *program) serve(ctx context.Context, c *Common, warnings []string) int {
	Tune()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tel, err := telemetry.Setup(ctx, c.Telemetry)
	if err != nil {
		return p.exit(err)
	}
	log := tel.Log
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
		defer cancel()
		_ = tel.Shutdown(ctx) // a collector that is not there must not turn a good exit into a bad one
	}()
	for _, w := range warnings {
		log.Warn("configuration", "warning", w)
	}
	if plaintext(c) {
		log.Warn("configuration", "warning", "listening beyond this machine without TLS: peers cannot be verified, so their principals will be refused")
	}
	table, addr, http, err := p.assemble(ctx, c, tel)
	if err != nil {
		log.Error("program cannot be built", "error", err)
		return exitFailed
	}
	starting := make(chan error, 1)
	go func() { starting <- table.Start(ctx) }()
	select {
	case err = <-starting:
	case s := <-p.signals:
		log.Info("stopping before the start was complete", "signal", s.String())
		cancel()
		err = <-starting
	}
	if err != nil {
		log.Error("program cannot start", "error", err)
		return exitFailed
	}
	log.Info("serving", "listen", addr, "http", http, "version", Version())
	if p.started != nil {
		p.started(addr, http)
	}
	code := exitOK
	select {
	case err := <-table.Failed():
		log.Error("a part of the program failed", "error", err)
		code = exitFailed
	case s := <-p.signals:
		log.Info("draining", "signal", s.String(), "grace", c.Grace)
	case <-ctx.Done():
	}
	return p.drain(c, log, table, code)
}

// drain stops the table in the grace, twice over: once for calls and once for loops. A second signal does not wait.
func (p *program) drain(c *Common, log *slog.Logger, table *lifecycle.Table, code int) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*c.Grace.Std())
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- table.Stop(ctx) }()
	select {
	case err := <-stopped:
		if err != nil {
			log.Error("program did not stop cleanly", "error", err)
			return exitFailed
		}
		log.Info("stopped")
		return code
	case s := <-p.signals:
		log.Warn("ending at once", "signal", s.String())
		return exitAtOnce
	}
}

// assemble builds everything in the order of its needs and closes what it opened when a later part fails.
func (p *program) assemble(ctx context.Context, c *Common, tel *telemetry.Telemetry) (_ *lifecycle.Table, addr, http string, err error) {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, "", "", fault.Wrap("boot.Main", fault.Unavailable, err, "the data folder %s cannot be made", c.Data)
	}
	s := Settings{
		Log: tel.Log, Telemetry: tel, Net: link.NewNetwork(), TLS: c.TLS, Clock: clock.System(), IDs: id.UUIDv7(),
		Peers: c.Peers, DataDir: c.Data,
	}
	svc, err := p.open(ctx, s)
	if err != nil {
		return nil, "", "", err
	}
	host, err := NewHost(HostOptions{
		Name: p.name, Listen: c.Listen, Grace: c.Grace.Std(), Deadline: c.Deadline.Std(), MaxRecv: int(c.MaxMessage),
	}, svc, s)
	if err != nil {
		return nil, "", "", errors.Join(err, svc.Stop(ctx))
	}
	modules := []lifecycle.Module{host.Module()}
	var table *lifecycle.Table
	if c.HTTP != "" {
		side, err := newSide(c.HTTP, tel.Metrics, func(ctx context.Context) error { return table.Ready(ctx) })
		if err != nil {
			return nil, "", "", errors.Join(err, host.Close(), svc.Stop(ctx))
		}
		http = side.addr()
		modules = append([]lifecycle.Module{side.module()}, modules...) // first up and last down: it tells how the others are
	}
	if table, err = lifecycle.NewTable(modules...); err != nil {
		return nil, "", "", errors.Join(err, host.Close(), svc.Stop(ctx))
	}
	return table, host.Addr(), http, nil
}

// plaintext reports whether the program listens where others reach it, without TLS.
func plaintext(c *Common) bool {
	if c.TLS.Enabled() || strings.HasPrefix(c.Listen, "inproc:") || strings.HasPrefix(c.Listen, "unix:") {
		return false
	}
	host, _, err := net.SplitHostPort(c.Listen)
	ip := net.ParseIP(host)
	return err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback())
}
