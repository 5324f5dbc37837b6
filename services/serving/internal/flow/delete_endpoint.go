package flow

import (
	"context"
	"log/slog"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

const deletePoll = 20 * time.Millisecond

// DeleteEndpoint takes an endpoint out of the routes at once. Draining, unloading and forgetting follow in the background;
// the answer waits for them a while, so that in the common case the name is free when it comes. The caller needs MANAGE.
func (s *Service) DeleteEndpoint(ctx context.Context, name string) error {
	const op = "serving.DeleteEndpoint"
	e, err := s.visible(ctx, op, name, domain.Manage)
	if err != nil {
		return err
	}
	e, err = s.Store.Change(ctx, e.ID, "", func(e *domain.Endpoint) (bool, error) {
		if e.Deleting { // somebody was faster
			return false, nil
		}
		e.Delete(s.Stamp())
		return true, nil
	})
	if err != nil {
		return err
	}
	s.Changed(e.ID)
	s.Log.InfoContext(ctx, "endpoint deleted", slog.String("endpoint", e.Name))
	over := s.Clock.After(s.Settings.DeleteWait)
	for {
		if _, err := s.Store.ByID(ctx, e.ID); fault.Is(err, fault.NotFound) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil // it is deleted all the same
		case <-over:
			return nil
		case <-s.Clock.After(deletePoll):
		}
	}
}
