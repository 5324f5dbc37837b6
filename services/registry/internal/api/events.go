package api

import (
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

type events struct {
	registryv1.UnimplementedEventServiceServer
	v Verbs
}

func (s events) WatchEvents(r *registryv1.WatchEventsRequest, stream registryv1.EventService_WatchEventsServer) error {
	return s.v.Events.Watch(stream.Context(), r.GetAfterPosition(), func(e domain.Event) error {
		return stream.Send(&registryv1.WatchEventsResponse{Event: eventOut(e)})
	})
}

// eventOut names kinds as the wire does: the domain's names with a prefix.
func eventOut(e domain.Event) *registryv1.Event {
	return &registryv1.Event{
		Position: e.Position, Kind: registryv1.EventKind(registryv1.EventKind_value["EVENT_KIND_"+string(e.Kind)]), EntityType: string(e.Entity),
		FullName: e.Subject.FullName, Version: e.Version, Alias: e.Alias, Actor: e.Actor, EventTime: timeOut(e.Time),
	}
}
