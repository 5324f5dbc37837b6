package peer

import (
	"context"
	"errors"
	"io"

	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// Movements calls each with what happens in the registry after a position, in order, until ctx ends, the stream breaks or
// each returns an error. Heartbeats are told too, as movements without content: silence means that the stream is dead.
func (r *Registry) Movements(ctx context.Context, after int64, each func(domain.Movement) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := r.events.WatchEvents(ctx, &registryv1.WatchEventsRequest{AfterPosition: after})
	if err != nil {
		return err
	}
	for {
		got, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(movement(got.GetEvent())); err != nil {
			return err
		}
	}
}

func movement(e *registryv1.Event) domain.Movement {
	m := domain.Movement{Position: e.GetPosition()}
	switch e.GetKind() {
	case registryv1.EventKind_EVENT_KIND_HEARTBEAT:
		m.Position = 0
	case registryv1.EventKind_EVENT_KIND_MODEL_ALIAS_SET:
		m.Reference = domain.Reference{Scheme: domain.Models, Name: e.GetFullName(), Alias: e.GetAlias()}.String()
	case registryv1.EventKind_EVENT_KIND_PROMPT_ALIAS_SET:
		m.Reference = domain.Reference{Scheme: domain.Prompts, Name: e.GetFullName(), Alias: e.GetAlias()}.String()
	case registryv1.EventKind_EVENT_KIND_GRANTS_CHANGED, registryv1.EventKind_EVENT_KIND_DELETED:
		m.Access = true
	}
	return m
}
