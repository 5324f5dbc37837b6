// Command gateway runs the platform's front door alone: one process of a mesh.
package main

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/services/gateway"
)

type root struct {
	boot.Common `yaml:",inline"`
	Gateway     gateway.Config `yaml:"gateway"`
}

func main() {
	r := &root{Common: boot.Default(gateway.Name), Gateway: gateway.Default()}
	// The address for peers. 9090, where the other services listen by themselves, is the public gRPC port here.
	r.Listen = "127.0.0.1:9091"
	boot.Main(gateway.Name, r, func(ctx context.Context, s boot.Settings) (boot.Service, error) {
		return gateway.New(ctx, r.Gateway, s)
	})
}
