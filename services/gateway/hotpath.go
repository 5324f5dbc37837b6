package gateway

import (
	"context"
	"net/http"
	"time"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/access"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/edge"
	"github.com/slipway-ai/slipway/services/gateway/internal/limit"
	"github.com/slipway-ai/slipway/services/gateway/internal/providers"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

// doorman says who calls, on either port.
type doorman interface {
	Authenticate(r *http.Request) (auth.Principal, error)
	AuthenticateCall(ctx context.Context, md metadata.MD) (auth.Principal, error)
}

// lookingKey marks a request that only looks at which models there are, and asks none.
type lookingKey struct{}

// lookingEdge is the edge; requests that only look carry a mark, by which a token for reading is let through.
func (svc *Service) lookingEdge() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			r = r.WithContext(context.WithValue(r.Context(), lookingKey{}, true))
		}
		svc.edge.ServeHTTP(w, r)
	})
}

// scoped asks first whether the token is for models at all, then whether its principal has the grant.
type scoped struct{ grants *access.Cache }

// MayQuery implements edge.Access.
func (s scoped) MayQuery(ctx context.Context, p auth.Principal, endpoint string) error {
	if !p.HasScope(string(domain.ScopeInference)) && !(ctx.Value(lookingKey{}) != nil && p.HasScope(string(domain.ScopeRead))) {
		return fault.New("gateway.MayQuery", fault.PermissionDenied, "asking a model needs a token with the scope all or inference").WithReason("SCOPE_MISSING")
	}
	return s.grants.MayQuery(ctx, p, endpoint)
}

// Admit implements edge.Limits: a principal's own rate, or the default.
func (svc *Service) Admit(p auth.Principal) limit.Decision {
	perMinute := int(svc.identity.RequestsPerMinute(p.Name))
	if perMinute == 0 {
		perMinute = svc.cfg.Limits.RequestsPerMinute
	}
	if perMinute < 0 || svc.cfg.Auth == AuthNone {
		return limit.Decision{Allowed: true}
	}
	return svc.limiter.Admit(p.Name, limit.Rate{Requests: perMinute, Per: time.Minute}, svc.settings.Clock.Now())
}

// sweep forgets the buckets of principals who rest.
func (svc *Service) sweep(ctx context.Context) error {
	tick := svc.settings.Clock.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C():
			svc.limiter.Sweep(svc.settings.Clock.Now())
		}
	}
}

// addressBook shows providers as the edge wants them.
type addressBook struct{ book *providers.Book }

// Lookup implements edge.Providers.
func (a addressBook) Lookup(name string) (edge.Provider, bool) {
	e, ok := a.book.Lookup(name)
	return edge.Provider{Name: e.Name, BaseURL: e.BaseURL, Key: e.Key}, ok
}

// journalReady is nil while the request log takes new requests.
func (svc *Service) journalReady() error {
	log := svc.journal.Log()
	if err := log.Failed(); err != nil {
		return err
	}
	if log.Level() >= wal.Full {
		return fault.New("gateway.Ready", fault.Unavailable, "the request log is full").WithReason("REQUEST_LOG_FULL")
	}
	return nil
}

// askWithin bounds the question whether a peer is there.
const askWithin = 2 * time.Second

// reachable is nil when a peer answers, whatever it says of itself.
func reachable(ctx context.Context, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	_, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{})
	return err
}
