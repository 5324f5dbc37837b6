package flow

import (
	"context"

	"github.com/slipway-ai/slipway/services/serving/internal/domain"
	"github.com/slipway-ai/slipway/services/serving/internal/prompt"
)

// resolution is what the references of a configuration mean now.
type resolution struct {
	models    map[domain.Reference]domain.ModelVersion
	prompts   map[domain.Reference]domain.PromptVersion
	templates []domain.Template
}

// resolve asks the registry for every reference, each once, as the principal of ctx: the registry refuses one who has no
// EXECUTE. A template that cannot be rendered is found here and not at the first request.
func (s *Service) resolve(ctx context.Context, refs []domain.Reference) (resolution, error) {
	r := resolution{models: map[domain.Reference]domain.ModelVersion{}, prompts: map[domain.Reference]domain.PromptVersion{}}
	for _, ref := range refs {
		if ref.Scheme == domain.Models {
			v, err := s.Registry.Model(ctx, ref)
			if err != nil {
				return resolution{}, err
			}
			r.models[ref] = v
			continue
		}
		v, t, err := s.Registry.Prompt(ctx, ref)
		if err != nil {
			return resolution{}, err
		}
		if _, err := prompt.Compile(t); err != nil {
			return resolution{}, err
		}
		r.prompts[ref] = v
		r.templates = append(r.templates, t)
	}
	return r, nil
}

// pins are the versions for each entity of a configuration. What was not resolved stays as it was in old, which may be nil.
func (r resolution) pins(c domain.Config, old []domain.Pin) []domain.Pin {
	pins := make([]domain.Pin, len(c.Entities))
	copy(pins, old)
	for i, e := range c.Entities {
		for _, ref := range e.References() {
			if v, ok := r.models[ref]; ok {
				pins[i].Model = v
			}
			if v, ok := r.prompts[ref]; ok {
				pins[i].Prompt = v
			}
		}
	}
	return pins
}
