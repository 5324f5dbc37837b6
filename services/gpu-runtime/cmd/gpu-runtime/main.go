// Command gpu-runtime runs one node of the platform as a process of its own.
package main

import (
	"context"
	"os"

	"github.com/slipway-ai/slipway/pkg/boot"
	gpuruntime "github.com/slipway-ai/slipway/services/gpu-runtime"
)

type root struct {
	boot.Common `yaml:",inline"`
	GPURuntime  gpuruntime.Config `yaml:"gpu_runtime"`
}

func main() {
	if gpuruntime.WorkerMain(os.Args[1:]) {
		return
	}
	r := &root{Common: boot.Default(gpuruntime.Name), GPURuntime: gpuruntime.Default()}
	boot.Main(gpuruntime.Name, r, func(ctx context.Context, s boot.Settings) (boot.Service, error) {
		return gpuruntime.New(ctx, r.GPURuntime, s)
	})
}
