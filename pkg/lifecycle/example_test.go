package lifecycle_test

import (
	"context"
	"fmt"

	"github.com/slipway-ai/slipway/pkg/lifecycle"
)

// A program is its table: who there is, and who needs whom.
func ExampleNewTable() {
	part := func(name string, needs ...string) lifecycle.Module {
		return lifecycle.Module{
			Name: name, Needs: needs,
			Start: func(context.Context) error { fmt.Println("start", name); return nil },
			Stop:  func(context.Context) error { fmt.Println("stop", name); return nil },
		}
	}
	table, err := lifecycle.NewTable(part("gateway", "serving"), part("serving", "registry"), part("registry"))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := table.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(table.State())
	if err := table.Stop(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// start registry
	// start serving
	// start gateway
	// running
	// stop gateway
	// stop serving
	// stop registry
}
