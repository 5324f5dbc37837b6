package flow

import "context"

// DeleteMonitor stops watching and removes the monitor's metrics, alerts and
// undelivered events.
func (f *Monitors) DeleteMonitor(ctx context.Context, name string) error {
	if _, err := f.open(ctx, "monitor.DeleteMonitor", name); err != nil {
		return err
	}
	return f.Memory.DeleteMonitor(ctx, name)
}
