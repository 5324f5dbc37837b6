package flow

import (
	"context"
	"log/slog"

	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// CancelUpdate gives the pending revision of an endpoint up. The caller needs MANAGE.
func (s *Service) CancelUpdate(ctx context.Context, name string) (*domain.Endpoint, error) {
	const op = "serving.CancelUpdate"
	p, err := caller(ctx, op)
	if err != nil {
		return nil, err
	}
	e, err := s.visible(ctx, op, name, domain.Manage)
	if err != nil {
		return nil, err
	}
	e, err = s.Store.Change(ctx, e.ID, "", func(e *domain.Endpoint) (bool, error) {
		return true, e.CancelUpdate(p.Name, s.Stamp())
	})
	if err != nil {
		return nil, err
	}
	s.Changed(e.ID)
	s.Log.InfoContext(ctx, "update canceled", slog.String("endpoint", e.Name))
	return e, nil
}
