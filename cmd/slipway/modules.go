package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-ai/slipway/pkg/boot"
	gateway "github.com/slipway-ai/slipway/services/gateway"
	gpuruntime "github.com/slipway-ai/slipway/services/gpu-runtime"
	monitor "github.com/slipway-ai/slipway/services/monitor"
	registry "github.com/slipway-ai/slipway/services/registry"
	serving "github.com/slipway-ai/slipway/services/serving"
	"github.com/slipway-ai/slipway/web"
)

// module is one service that this program can run.
type module struct {
	name     string
	needs    []string // started before it, stopped after it, when they run here too
	open     func(ctx context.Context, c *Config, s boot.Settings) (boot.Service, error)
	validate func(c *Config) (warnings []string, err error)
}

// modules is the table of targets and what they depend on: the architecture in five lines.
var modules = []module{
	{"registry", nil, func(ctx context.Context, c *Config, s boot.Settings) (boot.Service, error) {
		return door(registry.New(ctx, c.Registry, s))
	}, func(c *Config) ([]string, error) { return c.Registry.Validate() }},
	{"gpu-runtime", []string{"registry"}, func(ctx context.Context, c *Config, s boot.Settings) (boot.Service, error) {
		return door(gpuruntime.New(ctx, c.GPURuntime, s))
	}, func(c *Config) ([]string, error) { return c.GPURuntime.Validate() }},
	{"serving", []string{"registry", "gpu-runtime"}, func(ctx context.Context, c *Config, s boot.Settings) (boot.Service, error) {
		return door(serving.New(ctx, c.Serving, s))
	}, func(c *Config) ([]string, error) { return c.Serving.Validate() }},
	{"monitor", []string{"registry"}, func(ctx context.Context, c *Config, s boot.Settings) (boot.Service, error) {
		return door(monitor.New(ctx, c.Monitor, s))
	}, func(c *Config) ([]string, error) { return c.Monitor.Validate() }},
	{"gateway", []string{"registry", "serving", "gpu-runtime", "monitor"}, func(ctx context.Context, c *Config, s boot.Settings) (boot.Service, error) {
		g, err := gateway.New(ctx, c.Gateway, s)
		if err == nil {
			g.MountUI(web.Handler())
		}
		return door(g, err)
	}, func(c *Config) ([]string, error) { return c.Gateway.Validate() }},
}

// door keeps a failed constructor's nil pointer from becoming a service.
func door[S boot.Service](s S, err error) (boot.Service, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// selected are the modules that `--target` names, in the table's order.
func selected(target string) ([]module, error) {
	if target == "" || target == "all" {
		return modules, nil
	}
	names := strings.Split(target, ",")
	var out []module
	for _, m := range modules {
		if slices.Contains(names, m.name) {
			out = append(out, m)
		}
	}
	for _, n := range names {
		if !slices.ContainsFunc(modules, func(m module) bool { return m.name == n }) {
			return nil, fmt.Errorf("--target: there is no service %q; there are all, registry, gpu-runtime, serving, monitor, gateway", n)
		}
	}
	return out, nil
}

// here keeps of a module's needs those that run in this program.
func here(needs []string, targets []module) []string {
	var out []string
	for _, n := range needs {
		if slices.ContainsFunc(targets, func(m module) bool { return m.name == n }) {
			out = append(out, n)
		}
	}
	return out
}
