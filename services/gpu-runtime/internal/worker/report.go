package worker

import (
	"encoding/json"
	"sync"
	"time"
)

// reporter writes Reports, one JSON line each.
type reporter struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func (r *reporter) send(rep Report) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.enc.Encode(rep)
}

// watch reports the load after each change, gathered for a moment, and as a heartbeat. It ends when nobody listens.
func (r *reporter) watch(e *engine) error {
	beat := time.NewTicker(HeartbeatEvery)
	defer beat.Stop()
	for {
		if err := r.send(Report{Load: e.load()}); err != nil {
			return err
		}
		select {
		case <-beat.C:
		case <-e.changed():
			<-time.After(settle)
		}
	}
}
