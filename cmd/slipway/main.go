// Command slipway is the platform and its command line in one binary: `slipway up` runs the services that modules.go
// lists, every other command talks to a running platform.
package main

import (
	"os"
	"strings"

	"github.com/slipway-ai/slipway/cmd/slipway/internal/cli"
	gpuruntime "github.com/slipway-ai/slipway/services/gpu-runtime"
)

func main() {
	if gpuruntime.WorkerMain(os.Args[1:]) {
		return // this process was an engine's child
	}
	os.Exit(cli.Execute(cli.Root(up(), verify(), certs(), repairLog(), docs())))
}

// environ is the environment without the variables of the command line itself, which share the prefix of settings.
func environ() []string {
	own := map[string]bool{"SLIPWAY_URL": true, "SLIPWAY_TOKEN": true, "SLIPWAY_DATA": true, "SLIPWAY_ENGINE_DIR": true}
	var out []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !own[name] && !strings.HasPrefix(name, "SLIPWAY_TEST_") {
			out = append(out, kv)
		}
	}
	return out
}
