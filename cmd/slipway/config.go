package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	gateway "github.com/slipway-ai/slipway/services/gateway"
	gpuruntime "github.com/slipway-ai/slipway/services/gpu-runtime"
	monitor "github.com/slipway-ai/slipway/services/monitor"
	registry "github.com/slipway-ai/slipway/services/registry"
	serving "github.com/slipway-ai/slipway/services/serving"
)

// Config is the one file of a platform. Every program reads the sections of the services that it runs.
type Config struct {
	Data      string            `yaml:"data" doc:"folder for everything the services keep, each in a folder of its own"`
	Grace     config.Duration   `yaml:"grace" doc:"time that calls and loops get to finish when the program stops"`
	Deadline  config.Duration   `yaml:"deadline" doc:"longest time of a call whose caller set none"`
	Telemetry telemetry.Config  `yaml:"telemetry"`
	TLS       link.TLS          `yaml:"tls"`
	Listen    map[string]string `yaml:"listen" doc:"gRPC address per service that others reach over the network; a service not named listens in this process only"`
	Peers     map[string]string `yaml:"peers" doc:"gRPC address of each service that runs elsewhere"`

	Registry   registry.Config   `yaml:"registry"`
	Serving    serving.Config    `yaml:"serving"`
	Gateway    gateway.Config    `yaml:"gateway"`
	Monitor    monitor.Config    `yaml:"monitor"`
	GPURuntime gpuruntime.Config `yaml:"gpu_runtime"`
}

// defaultConfig is a laptop: everything on loopback, embedded stores below data.
func defaultConfig(data string) Config {
	common := boot.Default("slipway")
	return Config{
		Data: data, Grace: common.Grace, Deadline: common.Deadline, Telemetry: common.Telemetry,
		Registry: registry.Default(), Serving: serving.Default(), Gateway: gateway.Default(), Monitor: monitor.Default(), GPURuntime: gpuruntime.Default(),
	}
}

// validate asks the sections of the services that will run.
func (c *Config) validate(targets []module) (warnings []string, err error) {
	if c.Data == "" {
		return nil, fault.New("config", fault.Invalid, "data must name a folder")
	}
	for _, m := range targets {
		w, err := m.validate(c)
		if err != nil {
			return warnings, err
		}
		warnings = append(warnings, w...)
	}
	return warnings, nil
}

// dir is a service's own folder.
func (c *Config) dir(service string) string {
	return filepath.Join(c.Data, strings.ReplaceAll(service, "_", "-"))
}

// addresses are where the services are: those that run here in this process or at their listen address, others at
// peers.
func (c *Config) addresses(targets []module) (map[string]string, error) {
	out := maps.Clone(c.Peers)
	if out == nil {
		out = map[string]string{}
	}
	for _, m := range targets {
		out[m.name] = "inproc:" + m.name
		if l := c.Listen[m.name]; l != "" {
			out[m.name] = l
		}
	}
	for name := range c.Listen {
		if !slices.ContainsFunc(modules, func(m module) bool { return m.name == name }) {
			return nil, fault.New("config", fault.Invalid, "listen.%s: there is no service of that name", name)
		}
	}
	return out, nil
}
