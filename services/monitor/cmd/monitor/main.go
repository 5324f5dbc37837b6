// Command monitor runs the monitor service alone: one process of a mesh.
package main

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/services/monitor"
)

type root struct {
	boot.Common `yaml:",inline"`
	Monitor     monitor.Config `yaml:"monitor"`
}

func main() {
	c := &root{Common: boot.Default(monitor.Name), Monitor: monitor.Default()}
	boot.Main(monitor.Name, c, func(ctx context.Context, s boot.Settings) (boot.Service, error) {
		return monitor.New(ctx, c.Monitor, s)
	})
}
