package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// listChunk is how many endpoints are read and asked about at once: two questions for each.
const listChunk = 250

// ListEndpoints is at most size endpoints that the caller may query or change, with names after a name, by name. more says
// that there may be others behind them.
func (s *Service) ListEndpoints(ctx context.Context, after string, size int) (found []*domain.Endpoint, more bool, err error) {
	const op = "serving.ListEndpoints"
	if _, err := caller(ctx, op); err != nil {
		return nil, false, err
	}
	for {
		chunk, err := s.Store.List(ctx, after, listChunk)
		if err != nil || len(chunk) == 0 {
			return found, false, err
		}
		allowed, err := s.allowed(ctx, chunk)
		if err != nil {
			return nil, false, err
		}
		for i, e := range chunk {
			if !allowed[i] {
				continue
			}
			if len(found) == size {
				return found, true, nil
			}
			found = append(found, e)
		}
		if len(chunk) < listChunk {
			return found, false, nil
		}
		after = chunk[len(chunk)-1].Name
	}
}

func (s *Service) allowed(ctx context.Context, endpoints []*domain.Endpoint) ([]bool, error) {
	var questions []domain.Question
	for _, e := range endpoints {
		questions = append(questions, domain.Question{Endpoint: e.Name, Privilege: domain.Execute}, domain.Question{Endpoint: e.Name, Privilege: domain.Manage})
	}
	answers, err := s.Registry.Check(ctx, questions...)
	if err != nil {
		return nil, err
	}
	allowed := make([]bool, len(endpoints))
	for i := range endpoints {
		allowed[i] = answers[2*i].Allowed || answers[2*i+1].Allowed
	}
	return allowed, nil
}
