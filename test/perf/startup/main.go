// Command startup measures how long `slipway up` takes until it is ready, on a fresh and on a used data folder, and what
// it holds in memory when idle, beside the budgets: 1 s and 150 MB.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/slipway-ai/slipway/test/topology"
)

const (
	startBudget  = time.Second
	memoryBudget = 150 << 20
	tries        = 5
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "slipway-startup")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var fresh, used []time.Duration
	var memory []int64
	for i := range tries {
		data := filepath.Join(dir, fmt.Sprint(i))
		for _, out := range []*[]time.Duration{&fresh, &used} {
			start := time.Now()
			p, err := topology.Start(ctx, topology.Options{Dir: data})
			if err != nil {
				return err
			}
			*out = append(*out, time.Since(start))
			if out == &used {
				<-time.After(3 * time.Second) // idle: what the start needed has been given back
				rss, err := p.Process("slipway").RSS()
				if err != nil {
					return err
				}
				memory = append(memory, rss)
			}
			if err := p.Close(); err != nil {
				return err
			}
		}
	}
	slices.Sort(fresh)
	slices.Sort(used)
	slices.Sort(memory)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MEASURE\tMEDIAN\tBUDGET\tRATIO")
	row := func(name string, got, budget time.Duration) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%.2f\n", name, got.Round(time.Millisecond), budget, got.Seconds()/budget.Seconds())
	}
	row("start, fresh data", fresh[tries/2], startBudget)
	row("start, used data", used[tries/2], startBudget)
	fmt.Fprintf(t, "idle memory\t%.0f MB\t%d MB\t%.2f\n", float64(memory[tries/2])/(1<<20), memoryBudget>>20, float64(memory[tries/2])/memoryBudget)
	return t.Flush()
}
