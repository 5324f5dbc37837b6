// Command serving runs the serving service alone: one process of a mesh.
package main

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/services/serving"
)

type root struct {
	boot.Common `yaml:",inline"`
	Serving     serving.Config `yaml:"serving"`
}

func main() {
	c := &root{Common: boot.Default(serving.Name), Serving: serving.Default()}
	boot.Main(serving.Name, c, func(ctx context.Context, s boot.Settings) (boot.Service, error) {
		return serving.New(ctx, c.Serving, s)
	})
}
