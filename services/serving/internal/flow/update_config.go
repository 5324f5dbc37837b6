package flow

import (
	"context"
	"log/slog"

	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// UpdateConfig makes the next revision of an endpoint pending, or active at once when all it needs already serves. expected
// is the active revision that the caller has seen, 0 for any. The caller needs MANAGE on the endpoint and EXECUTE on all
// that it is to serve.
func (s *Service) UpdateConfig(ctx context.Context, name string, c domain.Config, expected int64) (*domain.Endpoint, error) {
	const op = "serving.UpdateConfig"
	p, err := caller(ctx, op)
	if err != nil {
		return nil, err
	}
	config, err := c.Normal()
	if err != nil {
		return nil, err
	}
	e, err := s.visible(ctx, op, name, domain.Manage)
	if err != nil {
		return nil, err
	}
	resolved, err := s.resolve(ctx, config.References())
	if err != nil {
		return nil, err
	}
	e, err = s.Store.Change(ctx, e.ID, "", func(e *domain.Endpoint) (bool, error) {
		if err := e.Expect(expected); err != nil {
			return false, err
		}
		return true, e.Propose(config, resolved.pins(config, nil), p.Name, s.Stamp())
	}, resolved.templates...)
	if err != nil {
		return nil, err
	}
	s.Changed(e.ID)
	s.Log.InfoContext(ctx, "revision proposed", slog.String("endpoint", e.Name), slog.Int64("revision", e.LastRevision), slog.Bool("at_once", e.Pending == nil))
	if e.Pending == nil {
		s.published(ctx)
	}
	return e, nil
}
