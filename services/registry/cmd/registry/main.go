// Command registry is the registry as a process of its own.
package main

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/services/registry"
)

// root is the whole configuration: what every program of the platform has, and the registry's own section.
type root struct {
	boot.Common `yaml:",inline"`
	Registry    registry.Config `yaml:"registry"`
}

func main() {
	r := root{Common: boot.Default("registry"), Registry: registry.Default()}
	boot.Main("registry", &r, func(ctx context.Context, s boot.Settings) (boot.Service, error) {
		return registry.New(ctx, r.Registry, s)
	})
}
