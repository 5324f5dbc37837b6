package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// GetMonitor reads one monitor.
func (f *Monitors) GetMonitor(ctx context.Context, name string) (domain.Monitor, error) {
	return f.open(ctx, "monitor.GetMonitor", name)
}
