// Package api is the wire side of serving: it turns messages into domain values and back, and decides nothing. What a
// message may say is checked by its own rules before it comes here; what it means is checked by the domain.
package api

import (
	"github.com/slipway-ai/slipway/pkg/fault"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// readConfig is a configuration as it was asked for. What is output only is not looked at.
func readConfig(c *servingv1.EndpointConfig) (domain.Config, error) {
	var config domain.Config
	for _, e := range c.GetServedEntities() {
		entity, err := readEntity(e)
		if err != nil {
			return domain.Config{}, err
		}
		config.Entities = append(config.Entities, entity)
	}
	for _, r := range c.GetRoutes() {
		config.Routes = append(config.Routes, domain.Traffic{Entity: r.GetServedEntity(), Percent: r.GetTrafficPercentage()})
	}
	return config, nil
}

func readEntity(e *servingv1.ServedEntity) (domain.Entity, error) {
	entity := domain.Entity{Name: e.GetName()}
	switch {
	case e.GetModel() != nil:
		entity.Model = readModel(e.GetModel())
	case e.GetExternal() != nil:
		entity.External = readExternal(e.GetExternal())
	case e.GetPrompt() != nil:
		p := e.GetPrompt()
		entity.Prompt, entity.Model, entity.External = p.GetPrompt(), readModel(p.GetModel()), readExternal(p.GetExternal())
		if entity.Prompt == "" {
			return domain.Entity{}, fault.New("api.readEntity", fault.Invalid, "a prompt entity needs a prompt").WithReason("REFERENCE_INVALID")
		}
	}
	return entity, nil
}

func readModel(m *servingv1.ModelEntity) *domain.Model {
	if m == nil {
		return nil
	}
	return &domain.Model{Reference: m.GetModel(), ContextLength: m.GetContextLength(), Parallel: m.GetParallel()}
}

func readExternal(x *servingv1.ExternalEntity) *domain.External {
	if x == nil {
		return nil
	}
	return &domain.External{Provider: x.GetProvider(), Model: x.GetModel(), Task: x.GetTask()}
}

func readMessages(messages []*servingv1.ChatMessage) []domain.Message {
	all := make([]domain.Message, len(messages))
	for i, m := range messages {
		all[i] = domain.Message{Role: m.GetRole(), Content: m.GetContent()}
	}
	return all
}
