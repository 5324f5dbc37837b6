// Command gateway measures what governance costs: CPU per request and throughput of the gateway process, with tokens,
// limits, usage and the durable log on, beside a bare httputil.ReverseProxy, both in front of the same upstream that
// answers at once, in interleaved rounds of one run. It prints ratios; absolute numbers are for the curious.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/slipway-ai/slipway/test/perf/loadgen"
	"github.com/slipway-ai/slipway/test/topology"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "serve" {
		fmt.Fprintln(os.Stderr, serve(os.Args[2:]))
		os.Exit(1)
	}
	rounds := flag.Int("rounds", 5, "interleaved rounds")
	each := flag.Duration("each", 3*time.Second, "length of one cell")
	flag.Parse()
	if err := run(*rounds, *each); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

var shapes = []loadgen.Shape{
	{Name: "200 B prompt, c=32", Prompt: 200, Clients: 32},
	{Name: "200 B prompt, c=1", Prompt: 200, Clients: 1},
	{Name: "32 KB prompt, c=16", Prompt: 32 << 10, Clients: 16},
	{Name: "400 KB prompt, c=4", Prompt: 400 << 10, Clients: 4},
	{Name: fmt.Sprintf("stream of %d chunks, c=8", loadgen.Chunks), Prompt: 200, Stream: true, Clients: 8},
}

// side is one of the two that are compared.
type side struct {
	target loadgen.Target
	cpu    func() (time.Duration, error)
	cells  map[string][]cell
}

type cell struct {
	perSecond, cpuMicros, chunkMicros, p50, p99, failed float64
}

func run(rounds int, each time.Duration) error {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "slipway-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	upstream, err := child(dir, "upstream")
	if err != nil {
		return err
	}
	defer func() { _ = upstream.Kill() }()
	proxy, err := child(dir, "proxy", upstream.addr)
	if err != nil {
		return err
	}
	defer func() { _ = proxy.Kill() }()
	platform, err := topology.Start(ctx, topology.Options{Mesh: true, Dir: filepath.Join(dir, "platform")})
	if err != nil {
		return err
	}
	defer func() { _ = platform.Close() }()
	governed, err := deploy(ctx, platform, "http://"+upstream.addr+"/v1")
	if err != nil {
		return err
	}
	sides := []*side{
		{target: loadgen.Target{Name: "ReverseProxy", URL: "http://" + proxy.addr, Model: "mock"}, cpu: proxy.CPU, cells: map[string][]cell{}},
		{target: governed, cpu: platform.Process("gateway").CPU, cells: map[string][]cell{}},
	}
	for round := range rounds {
		for _, shape := range shapes {
			for _, s := range sides {
				fmt.Fprintf(os.Stderr, "\rround %d/%d  %-28s %-14s", round+1, rounds, shape.Name, s.target.Name)
				c, err := measure(ctx, s, shape, each)
				if err != nil {
					return err
				}
				s.cells[shape.Name] = append(s.cells[shape.Name], c)
			}
		}
	}
	fmt.Fprintln(os.Stderr)
	print(sides)
	return platform.AwaitSettled(ctx, time.Minute)
}

func measure(ctx context.Context, s *side, shape loadgen.Shape, d time.Duration) (cell, error) {
	loadgen.Run(ctx, s.target, shape, d/6) // warm connections and caches
	before, err := s.cpu()
	if err != nil {
		return cell{}, err
	}
	r := loadgen.Run(ctx, s.target, shape, d)
	if r.Why != nil && s.target.Token != "" {
		return cell{}, r.Why // ours must not fail; the peer breaks a stream now and then, which is told
	}
	after, err := s.cpu()
	if err != nil {
		return cell{}, err
	}
	used := float64((after - before).Microseconds())
	return cell{
		perSecond: r.PerSecond(), cpuMicros: used / float64(r.Requests), chunkMicros: used / float64(max(1, r.Chunks)),
		p50: float64(r.P50.Microseconds()), p99: float64(r.P99.Microseconds()), failed: float64(r.Failed),
	}, nil
}

// print shows medians over the rounds and the ratio between the sides.
func print(sides []*side) {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SHAPE\tMEASURE\tReverseProxy (bare)\tSlipway (governed)\tRATIO")
	for _, shape := range shapes {
		row := func(name, format string, pick func(cell) float64) {
			bare, ours := median(sides[0].cells[shape.Name], pick), median(sides[1].cells[shape.Name], pick)
			fmt.Fprintf(t, "%s\t%s\t"+format+"\t"+format+"\t%.2f\n", shape.Name, name, bare, ours, ours/bare)
		}
		row("requests/s", "%.0f", func(c cell) float64 { return c.perSecond })
		row("CPU µs/request", "%.1f", func(c cell) float64 { return c.cpuMicros })
		if shape.Stream {
			row("CPU µs/chunk", "%.2f", func(c cell) float64 { return c.chunkMicros })
			if broken := median(sides[0].cells[shape.Name], func(c cell) float64 { return c.failed }); broken > 0 {
				fmt.Fprintf(t, "%s\tbroken\t%.0f\t0\t\n", shape.Name, broken)
			}
		}
		row("p50 µs", "%.0f", func(c cell) float64 { return c.p50 })
		row("p99 µs", "%.0f", func(c cell) float64 { return c.p99 })
	}
	_ = t.Flush()
}

func median(cells []cell, pick func(cell) float64) float64 {
	values := make([]float64, len(cells))
	for i, c := range cells {
		values[i] = pick(c)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// helper is this program started again as upstream or proxy, so that its CPU time is its own.
type helper struct {
	*topology.Process
	addr string
}

func child(dir, role string, args ...string) (*helper, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	p := topology.NewProcess(role, filepath.Join(dir, role+".log"), exe, append([]string{"serve", role, addr}, args...)...)
	if err := p.Start(); err != nil {
		return nil, err
	}
	return &helper{p, addr}, topology.AwaitTCP(addr, 5*time.Second)
}

func serve(args []string) error {
	var handler http.Handler
	switch args[0] {
	case "upstream":
		handler = loadgen.Upstream()
	case "proxy":
		p, err := loadgen.ReverseProxy("http://" + args[2])
		if err != nil {
			return err
		}
		handler = p
	default:
		return fmt.Errorf("unknown role %s", args[0])
	}
	server := &http.Server{Addr: args[1], Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

// deploy puts the upstream behind an endpoint as an external provider, and makes an application that may ask it.
func deploy(ctx context.Context, p *topology.Platform, upstream string) (loadgen.Target, error) {
	slipway := func(env []string, args ...string) error {
		cmd := exec.CommandContext(ctx, p.CLI, args...)
		cmd.Env = append(append(os.Environ(), p.Env()...), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("slipway %v: %w\n%s", args, err, out)
		}
		return nil
	}
	for _, step := range [][]string{
		{"provider", "put", "mock", "--base-url", upstream, "--key-env", "MOCK_KEY"},
		{"endpoint", "deploy", "bench", "--entity", "main=external:mock/mock"},
		{"principal", "put", "bench-app", "--service-account", "--rpm", "1000000000"},
		{"grant", "add", "endpoint:bench", "bench-app", "EXECUTE"},
	} {
		if err := slipway([]string{"MOCK_KEY=sk-mock-0123456789"}, step...); err != nil {
			return loadgen.Target{}, err
		}
	}
	token, err := p.NewToken(ctx, "bench-app", "inference")
	return loadgen.Target{Name: "Slipway", URL: p.URL, Token: token, Model: "bench"}, err
}
