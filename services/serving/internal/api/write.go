package api

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

var readinesses = map[domain.Readiness]servingv1.Readiness{
	domain.NotReady: servingv1.Readiness_READINESS_NOT_READY,
	domain.Ready:    servingv1.Readiness_READINESS_READY,
}

var updates = map[domain.Update]servingv1.ConfigUpdate{
	domain.NotUpdating:    servingv1.ConfigUpdate_CONFIG_UPDATE_NOT_UPDATING,
	domain.Updating:       servingv1.ConfigUpdate_CONFIG_UPDATE_UPDATING,
	domain.UpdateFailed:   servingv1.ConfigUpdate_CONFIG_UPDATE_FAILED,
	domain.UpdateCanceled: servingv1.ConfigUpdate_CONFIG_UPDATE_CANCELED,
}

var deployments = map[domain.Deployment]servingv1.Deployment{
	domain.DeploymentCreating:   servingv1.Deployment_DEPLOYMENT_CREATING,
	domain.DeploymentReady:      servingv1.Deployment_DEPLOYMENT_READY,
	domain.DeploymentFailed:     servingv1.Deployment_DEPLOYMENT_FAILED,
	domain.DeploymentAborted:    servingv1.Deployment_DEPLOYMENT_ABORTED,
	domain.DeploymentRecovering: servingv1.Deployment_DEPLOYMENT_RECOVERING,
}

func writeEndpoint(e *domain.Endpoint) *servingv1.Endpoint {
	return &servingv1.Endpoint{
		Name: e.Name, Description: e.Description, Owner: e.Owner, Id: e.ID, Tags: e.Tags,
		Ready: readinesses[e.Readiness()], ConfigUpdate: updates[e.Update], UpdateMessage: e.UpdateMessage,
		ActiveConfig: writeRevision(e.Active), PendingConfig: writeRevision(e.Pending),
		CreateTime: timestamppb.New(e.CreateTime), UpdateTime: timestamppb.New(e.UpdateTime),
	}
}

func writeRevision(r *domain.Revision) *servingv1.EndpointConfig {
	if r == nil {
		return nil
	}
	c := &servingv1.EndpointConfig{Revision: r.Number, Creator: r.Creator, CreateTime: timestamppb.New(r.CreateTime)}
	for i, e := range r.Config.Entities {
		c.ServedEntities = append(c.ServedEntities, writeEntity(e))
		c.States = append(c.States, &servingv1.ServedEntityState{
			ServedEntity: e.Name, Deployment: deployments[r.States[i].Deployment], Message: r.States[i].Message, InstanceId: r.States[i].Instance,
			ResolvedModel: r.Pins[i].Model.String(), ResolvedPrompt: r.Pins[i].Prompt.String(),
		})
	}
	for _, t := range r.Config.Routes {
		c.Routes = append(c.Routes, &servingv1.TrafficRoute{ServedEntity: t.Entity, TrafficPercentage: t.Percent})
	}
	return c
}

func writeEntity(e domain.Entity) *servingv1.ServedEntity {
	s := &servingv1.ServedEntity{Name: e.Name}
	switch {
	case e.Prompt != "" && e.Model != nil:
		s.Entity = &servingv1.ServedEntity_Prompt{Prompt: &servingv1.PromptEntity{Prompt: e.Prompt, Backend: &servingv1.PromptEntity_Model{Model: writeModel(e.Model)}}}
	case e.Prompt != "":
		s.Entity = &servingv1.ServedEntity_Prompt{Prompt: &servingv1.PromptEntity{Prompt: e.Prompt, Backend: &servingv1.PromptEntity_External{External: writeExternal(e.External)}}}
	case e.Model != nil:
		s.Entity = &servingv1.ServedEntity_Model{Model: writeModel(e.Model)}
	default:
		s.Entity = &servingv1.ServedEntity_External{External: writeExternal(e.External)}
	}
	return s
}

func writeModel(m *domain.Model) *servingv1.ModelEntity {
	return &servingv1.ModelEntity{Model: m.Reference, ContextLength: m.ContextLength, Parallel: m.Parallel}
}

func writeExternal(x *domain.External) *servingv1.ExternalEntity {
	if x == nil {
		return nil
	}
	return &servingv1.ExternalEntity{Provider: x.Provider, Model: x.Model, Task: x.Task}
}

func writeTable(t domain.RouteTable) *servingv1.WatchRoutesResponse {
	out := &servingv1.WatchRoutesResponse{Revision: t.Revision}
	for _, r := range t.Routes {
		route := &servingv1.EndpointRoute{Name: r.Name, Id: r.EndpointID, ConfigRevision: r.Revision}
		for _, e := range r.Entities {
			entity := &servingv1.EntityRoute{
				Name: e.Name, TrafficPercentage: e.Percent, ModelVersion: e.Model.String(), PromptVersion: e.Prompt.String(), External: writeExternal(e.External),
			}
			for _, i := range e.Instances {
				entity.Instances = append(entity.Instances, &servingv1.InstanceRoute{InstanceId: i.ID, Runtime: i.Runtime})
			}
			route.Entities = append(route.Entities, entity)
		}
		out.Endpoints = append(out.Endpoints, route)
	}
	return out
}

func writeMessages(messages []domain.Message) []*servingv1.ChatMessage {
	all := make([]*servingv1.ChatMessage, len(messages))
	for i, m := range messages {
		all[i] = &servingv1.ChatMessage{Role: m.Role, Content: m.Content}
	}
	return all
}
