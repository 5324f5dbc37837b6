package edge

import (
	"context"
	"net/http"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/services/gateway/internal/limit"
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
	// with a text that tells nothing when p may not, fault.Unavailable when the answer cannot be had: the edge then refuses.
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
	BaseURL string // such as https://api.openai.com/v1, without a slash at the end
	Key     config.Secret
}
