package flow

import (
	"context"
	"log/slog"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

const (
	maxTags       = 64
	maxTagKey     = 255
	maxTagValue   = 4096
	finishingTime = domain.CreationTime * 2 / 3 // for what must not stop half-way because a caller hung up
)

// NewEndpoint is what its creator says of an endpoint.
type NewEndpoint struct {
	Name        string
	Description string
	Tags        map[string]string
	Config      domain.Config
}

// CreateEndpoint makes an endpoint whose first revision is pending. The caller needs CREATE_ENDPOINT, and EXECUTE on all
// that it is to serve, and becomes its owner.
func (s *Service) CreateEndpoint(ctx context.Context, n NewEndpoint) (*domain.Endpoint, error) {
	const op = "serving.CreateEndpoint"
	p, err := caller(ctx, op)
	if err != nil {
		return nil, err
	}
	config, err := n.Config.Normal()
	if err != nil {
		return nil, err
	}
	if err := checkTexts(op, n); err != nil {
		return nil, err
	}
	if err := s.require(ctx, op, "", domain.CreateEndpoint); err != nil {
		return nil, err
	}
	resolved, err := s.resolve(ctx, config.References())
	if err != nil {
		return nil, err
	}
	stamp := s.Stamp()
	e := domain.Draft(n.Name, n.Description, p.Name, n.Tags, stamp)
	if err := e.Propose(config, resolved.pins(config, nil), p.Name, stamp); err != nil {
		return nil, err
	}
	if e, err = s.Store.Create(ctx, e, resolved.templates...); err != nil {
		return nil, err
	}
	s.Log.InfoContext(ctx, "endpoint created", slog.String("endpoint", e.Name), slog.String("owner", e.Owner))
	if e, err = s.register(ctx, e); err != nil {
		return nil, err
	}
	if e.Pending == nil {
		s.published(ctx)
	}
	return e, nil
}

// register makes the endpoint a securable of its creator's. The row comes first and the securable second: the other way
// round, a name that is taken would change the owner of somebody else's endpoint. When the registry refuses, the endpoint
// is deleted again; when this process dies in between, the reconciler registers it.
func (s *Service) register(ctx context.Context, e *domain.Endpoint) (*domain.Endpoint, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishingTime)
	defer cancel()
	defer s.Changed(e.ID)
	// The name was free here. Should the registry know an endpoint of that name, it is one that was lost (with its store,
	// say): neither its grants nor its lineage must live on in this one.
	err := s.Registry.Unregister(Self(ctx), e.Name)
	if err == nil {
		err = s.Registry.Register(Self(ctx), e.Name, e.Owner)
	}
	if err != nil {
		_, undo := s.Store.Change(ctx, e.ID, "", func(e *domain.Endpoint) (bool, error) {
			e.Delete(s.Stamp())
			return true, nil
		})
		if undo != nil {
			s.Log.WarnContext(ctx, "endpoint left without its securable", slog.String("endpoint", e.Name), slog.Any("error", undo))
		}
		return nil, err
	}
	return s.Store.Change(ctx, e.ID, "", func(e *domain.Endpoint) (bool, error) {
		e.Registered = true
		return true, nil
	})
}

func checkTexts(op string, n NewEndpoint) error {
	bad := func(format string, args ...any) error {
		return fault.New(op, fault.Invalid, format, args...).WithReason("TEXT_INVALID")
	}
	if strings.ContainsRune(n.Description, 0) {
		return bad("the description has a NUL character")
	}
	if len(n.Tags) > maxTags {
		return bad("%d tags are too many, at most %d", len(n.Tags), maxTags)
	}
	for k, v := range n.Tags {
		switch {
		case k == "" || len(k) > maxTagKey:
			return bad("a tag's key has 1 to %d bytes", maxTagKey)
		case len(v) > maxTagValue:
			return bad("the value of tag %q is %d bytes long, at most %d", k, len(v), maxTagValue)
		case strings.ContainsRune(k, 0) || strings.ContainsRune(v, 0):
			return bad("the tag %q has a NUL character", k)
		}
	}
	return nil
}
