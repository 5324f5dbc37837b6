package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// ListRevisions is at most size revisions of an endpoint with numbers before a number (0: from the newest), newest first.
// more says that there are others behind them. The caller may query or change the endpoint.
func (s *Service) ListRevisions(ctx context.Context, name string, before int64, size int) (found []domain.Revision, more bool, err error) {
	e, err := s.visible(ctx, "serving.ListRevisions", name, domain.Execute, domain.Manage)
	if err != nil {
		return nil, false, err
	}
	found, err = s.Store.Revisions(ctx, e.ID, before, size+1)
	if err != nil {
		return nil, false, err
	}
	if len(found) > size {
		return found[:size], true, nil
	}
	return found, false, nil
}
