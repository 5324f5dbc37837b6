// Package flow is what serving can be asked to do, one verb to a file. A verb checks what the caller may do, has the
// domain decide, and writes the outcome; nothing is loaded or unloaded here. Bringing the world in line with what was
// written is the work of package work, so that an answer never waits for a model.
package flow

import (
	"context"
	"log/slog"
	"time"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
	"github.com/slipway-ai/slipway/services/serving/internal/prompt"
)

// Store is what the verbs need of serving's memory; package store says what it promises.
type Store interface {
	Create(ctx context.Context, e *domain.Endpoint, templates ...domain.Template) (*domain.Endpoint, error)
	ByName(ctx context.Context, name string) (*domain.Endpoint, error)
	ByID(ctx context.Context, id string) (*domain.Endpoint, error)
	List(ctx context.Context, after string, limit int) ([]*domain.Endpoint, error)
	Change(ctx context.Context, id, holder string, f func(e *domain.Endpoint) (bool, error), templates ...domain.Template) (*domain.Endpoint, error)
	Revisions(ctx context.Context, id string, before int64, limit int) ([]domain.Revision, error)
	TableRevision(ctx context.Context) (int64, error)
	Applied(ctx context.Context, now time.Time) (lowest int64, connected int, err error)
}

// Registry is what the verbs ask the registry, as whoever the context says.
type Registry interface {
	Model(ctx context.Context, ref domain.Reference) (domain.ModelVersion, error)
	Prompt(ctx context.Context, ref domain.Reference) (domain.PromptVersion, domain.Template, error)
	Check(ctx context.Context, questions ...domain.Question) ([]domain.Answer, error)
	Register(ctx context.Context, endpoint, owner string) error
	Unregister(ctx context.Context, endpoint string) error
}

// Routes finds a served entity in the routing table, or in one that was replaced a moment ago.
type Routes interface {
	Find(endpoint, entity string) (e domain.EntityRoute, found bool)
	// Load reads the table if it has changed.
	Load(ctx context.Context) error
}

// Settings are the bounds of the verbs.
type Settings struct {
	InstancePrefix string
	Runtime        string
	PublishWait    time.Duration // how long an answer waits for gateways to apply what it tells of
	DeleteWait     time.Duration // how long a deletion waits for the endpoint to be gone
}

// Deps are what a Service is made of.
type Deps struct {
	Store    Store
	Registry Registry
	Routes   Routes
	Prompts  *prompt.Cache
	Changed  func(endpoint string) // told of every endpoint that a verb changed
	Clock    clock.Clock
	IDs      id.Source
	Log      *slog.Logger
	Settings Settings
}

// Service is the verbs.
type Service struct {
	Deps
	decisions *decisions
}

// New is a Service over its parts.
func New(d Deps) *Service {
	return &Service{Deps: d, decisions: newDecisions(d.Clock)}
}

// Stamp is what transitions need of this service.
func (s *Service) Stamp() domain.Stamp {
	return domain.Stamp{Now: s.Clock.Now(), IDs: s.IDs, Prefix: s.Settings.InstancePrefix, Runtime: s.Settings.Runtime}
}

// Self is ctx for what serving does on its own behalf and not on its caller's.
func Self(ctx context.Context) context.Context { return auth.With(ctx, auth.Service("serving")) }

// caller is the principal of ctx.
func caller(ctx context.Context, op string) (auth.Principal, error) {
	p, ok := auth.From(ctx)
	if !ok {
		return auth.Principal{}, fault.New(op, fault.Unauthenticated, "authentication is required")
	}
	return p, nil
}
