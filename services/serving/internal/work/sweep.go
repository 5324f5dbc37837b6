package work

import (
	"context"
	"log/slog"

	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// sweep finds what no event told of: endpoints with work left, serving instances that the runtime does not have, and
// instances of ours at the runtime that no endpoint has.
func (r *Reconciler) sweep(ctx context.Context) error {
	// The runtime first, the store second: an instance is written before it is loaded, so that whatever was loaded by now
	// will be found. The other way round, one made in between would look like an orphan.
	seen := r.Observer.Now()
	unsettled, err := r.Store.Unsettled(ctx)
	if err != nil {
		return err
	}
	instances, err := r.Store.Instances(ctx)
	if err != nil {
		return err
	}
	owners := map[string]string{}
	for endpoint, all := range instances {
		for _, i := range all {
			owners[i.ID] = endpoint
			if i.State == domain.Serving && r.missing(seen, i) {
				unsettled = append(unsettled, endpoint)
			}
		}
	}
	var orphans []string
	for id, o := range seen.Instances {
		if _, owned := owners[id]; !owned && o.State != domain.RuntimeDraining {
			orphans = append(orphans, id)
		}
	}
	r.mu.Lock()
	r.owners = owners // from here on it belongs to everybody
	r.mu.Unlock()
	for _, endpoint := range unsettled {
		r.Wake(endpoint)
	}
	for _, id := range orphans {
		err := r.Runtime.Unload(ctx, id, r.Settings.Drain)
		r.Log.InfoContext(ctx, "orphan unloaded", slog.String("instance", id), slog.Any("error", err))
		if err == nil {
			r.Observer.Forget(id)
		}
	}
	return nil
}

func (r *Reconciler) missing(seen Observed, i domain.Instance) bool {
	if !seen.Connected {
		return !r.Clock.Now().Before(seen.Since.Add(r.Settings.Limits.RuntimeGrace))
	}
	return seen.Instances[i.ID].State != domain.RuntimeReady
}
