package dataplane

import (
	"context"
	"time"
)

const drainAtMost = 5 * time.Second

// within is a context for draining: half of what ctx has left, and never long. A monitor that is away must not use up the
// time in which everything else is closed.
func within(ctx context.Context) (context.Context, context.CancelFunc) {
	d := drainAtMost
	if end, ok := ctx.Deadline(); ok {
		d = min(d, time.Until(end)/2)
	}
	return context.WithTimeout(ctx, d)
}
