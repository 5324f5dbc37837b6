package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// Rendered is what a model is to read.
type Rendered struct {
	Messages   []domain.Message
	Parameters map[string]string // of the prompt version, as JSON values
	Version    string            // "prompts:/c.s.p/2"
}

// RenderPrompt fills the pinned prompt version of a served entity. The caller needs EXECUTE on the endpoint. It reads the
// routing table and the templates in memory, and touches neither the registry nor, after the first time, the store.
func (s *Service) RenderPrompt(ctx context.Context, endpoint, entity string, values map[string]string, messages []domain.Message) (Rendered, error) {
	const op = "serving.RenderPrompt"
	if err := s.mayQuery(ctx, op, endpoint); err != nil {
		return Rendered{}, err
	}
	route, found := s.Routes.Find(endpoint, entity)
	if !found {
		// The gateway may have its table from another replica, a moment ahead of this one's.
		if err := s.Routes.Load(ctx); err != nil {
			return Rendered{}, err
		}
		if route, found = s.Routes.Find(endpoint, entity); !found {
			return Rendered{}, s.unrouted(ctx, op, endpoint, entity)
		}
	}
	if route.Prompt.Version == 0 {
		return Rendered{}, fault.New(op, fault.FailedPrecondition, "served entity %q of endpoint %q has no prompt", entity, endpoint).WithReason("NO_PROMPT")
	}
	program, err := s.Prompts.Program(ctx, route.Prompt.Digest)
	if err != nil {
		return Rendered{}, err
	}
	rendered, err := program.Render(values, messages)
	if err != nil {
		return Rendered{}, err
	}
	return Rendered{Messages: rendered, Parameters: program.Parameters(), Version: route.Prompt.String()}, nil
}

func (s *Service) mayQuery(ctx context.Context, op, endpoint string) error {
	p, err := caller(ctx, op)
	if err != nil {
		return err
	}
	key := decisionKey(p, endpoint)
	if s.decisions.allows(key) {
		return nil
	}
	if err := s.require(ctx, op, endpoint, domain.Execute); err != nil {
		return err
	}
	s.decisions.remember(key)
	return nil
}

// unrouted tells an endpoint that is not there from a revision that is not.
func (s *Service) unrouted(ctx context.Context, op, endpoint, entity string) error {
	e, err := s.Store.ByName(ctx, endpoint)
	if err != nil {
		return err
	}
	if e.Active == nil {
		return fault.New(op, fault.FailedPrecondition, "endpoint %q is not ready", endpoint).WithReason("ENDPOINT_NOT_READY")
	}
	return fault.New(op, fault.FailedPrecondition, "endpoint %q does not serve %q any more, or never did", endpoint, entity).WithReason("REVISION_GONE")
}
