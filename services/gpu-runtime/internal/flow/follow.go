package flow

import (
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/domain"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/supervise"
)

// loadEvery is how often watchers are told of changes in the number of running and waiting requests. A heartbeat of the
// engine follows within a second, so that the last change is told too.
const loadEvery = 250 * time.Millisecond

// follow takes over what an engine says of itself. It is called from the engine's own goroutine.
func (n *Node) follow(i *instance, s supervise.Status) {
	n.mu.Lock()
	defer n.mu.Unlock()
	v := &i.view
	if s.Observed > v.Observed {
		v.Observed = s.Observed
		n.Ledger.Commit(v.ID, s.Observed)
	}
	loadMoved := v.Active != s.Load.Busy || v.Queued != s.Load.Queued
	v.Active, v.Queued = s.Load.Busy, s.Load.Queued
	if s.Restarts > v.Restarts {
		n.Metrics.restarts.WithLabelValues(modelLabel(v.Spec)).Add(float64(s.Restarts - v.Restarts))
		v.Restarts = s.Restarts
	}
	switch s.State {
	case supervise.Ready:
		if s.Ready.Embedding > 0 {
			v.Embedding = s.Ready.Embedding
		}
		if n.move(i, domain.Ready, readyMessage(s)) {
			return
		}
	case supervise.Restarting:
		if n.move(i, domain.Restarting, "the engine ended and is being started again: "+fault.Text(s.Err)) {
			return
		}
	}
	if loadMoved && n.Clock.Now().Sub(i.announced) >= loadEvery {
		n.publish(i)
	}
}

func readyMessage(s supervise.Status) string {
	if s.Ready.ChatFallback {
		return "the model has no chat template the engine understands; ChatML is used"
	}
	return ""
}
