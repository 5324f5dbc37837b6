package edge

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/id"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/limit"
	"github.com/slipway-ai/slipway/services/gateway/internal/meter"
	"github.com/slipway-ai/slipway/services/gateway/internal/route"
	"github.com/slipway-ai/slipway/services/gateway/internal/upstream"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

// The edge asks four questions that others answer. Each is asked once per request, on the hot path: an implementation answers
// from memory and falls back on a peer only when it has to. All may be called at the same time.

// Authenticator says who calls.
type Authenticator interface {
	// Authenticate reads the request's headers, never its body. fault.Unauthenticated when there is no credential, or a
	// wrong or expired one; fault.Unavailable when the answer cannot be had. Errors carry nothing of the credential.
	Authenticate(r *http.Request) (auth.Principal, error)
}

// Access says who may query what.
type Access interface {
	// MayQuery is nil when p may query the endpoint. fault.PermissionDenied when p may know that it exists, fault.NotFound
	// when p may not, fault.Unavailable when the answer cannot be had: the edge then refuses.
	MayQuery(ctx context.Context, p auth.Principal, endpoint string) error
}

// Limits says how often.
type Limits interface {
	// Admit decides about one request of p and charges it when it is allowed. It does not fail: an implementation that
	// cannot know a principal's rate applies its default.
	Admit(p auth.Principal) limit.Decision
}

// Providers knows the external model providers.
type Providers interface {
	// Lookup returns a provider by name; false when there is none. The key is decrypted; the edge sends it upstream and
	// nowhere else.
	Lookup(name string) (Provider, bool)
}

// Provider is an OpenAI-compatible API somewhere else.
type Provider struct {
	Name    string
	BaseURL string // such as https://api.openai.com/v1
	Key     config.Secret
}

// Routes is the routing table in force; *route.Router is one.
type Routes interface {
	Table() *route.Table
	Changed() <-chan struct{}
}

// Journal keeps requests; *journal.Journal is one. The record given is the journal's to change.
type Journal interface {
	Begin(*monitorv1.InferenceRecord) (wal.Ticket, error)
	End(wal.Ticket, *monitorv1.InferenceRecord) error
	Whole(*monitorv1.InferenceRecord) error
}

// Deps is all that the edge stands on.
type Deps struct {
	Auth      Authenticator
	Access    Access
	Limits    Limits
	Providers Providers
	Routes    Routes
	Engines   *upstream.Engines
	HTTP      *upstream.HTTP
	Prompts   servingv1.PromptExecutionServiceClient
	Journal   Journal
	Meter     *meter.Meter

	Tracer     trace.Tracer
	Propagator propagation.TextMapPropagator
	Log        *slog.Logger
	Clock      clock.Clock
	IDs        id.Source

	Settings Settings
}

// Settings are the bounds of a request. The zero value of each means its default.
type Settings struct {
	MaxBody     int           // bytes of a request; 16 MiB
	MaxAnswer   int           // bytes of an answer that is not streamed; 64 MiB
	Timeout     time.Duration // from admission to the last byte; 5 min
	RetryWindow time.Duration // how long a request waits for an engine to come back; 15 s
	KeepText    int           // bytes of a streamed answer's text that its row keeps; 1 MiB
}

func (s Settings) complete() Settings {
	if s.MaxBody <= 0 {
		s.MaxBody = 16 << 20
	}
	if s.MaxAnswer <= 0 {
		s.MaxAnswer = 64 << 20
	}
	if s.Timeout <= 0 {
		s.Timeout = 5 * time.Minute
	}
	if s.RetryWindow <= 0 {
		s.RetryWindow = 15 * time.Second
	}
	if s.KeepText <= 0 {
		s.KeepText = 1 << 20
	}
	return s
}
