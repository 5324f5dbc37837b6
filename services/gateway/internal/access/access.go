// Package access knows who may query which endpoint. The registry decides; this package asks it, remembers the answer for
// a few seconds, and follows the registry's events so that a change of grants is felt at once. The time an answer lives is
// only the bound for when no event arrives.
//
// It fails closed. While the registry cannot be asked, an answer that it gave lately still counts for a bounded time
// (Options.Stale), so that a restart of the registry does not stop traffic; a question that was never answered is refused.
package access

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/lru"
)

// Options of a Cache. All but Stale must be set.
type Options struct {
	Access  registryv1.AccessServiceClient
	Events  registryv1.EventServiceClient
	Clock   clock.Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// TTL is how long an answer counts while the registry can be asked.
	TTL time.Duration
	// Stale is how long an answer counts while it cannot. 0 refuses at once when the TTL is over.
	Stale time.Duration
	// Capacity bounds the answers kept.
	Capacity int
}

const (
	// askWithin bounds one question. Requests wait for it, so it is short.
	askWithin = 2 * time.Second
	// restAfter is how long the registry is left alone after it did not answer: meanwhile old answers serve at once.
	restAfter = time.Second
	// deniedShare is the part of the TTL that a refusal lives: who was given a grant tries again soon.
	deniedShare = 5
)

// Cache answers from memory. It is safe for concurrent use.
type Cache struct {
	o       Options
	answers *lru.Cache[question, answer]
	flights singleflight.Group
	counts  *prometheus.CounterVec

	mu      sync.Mutex
	changes uint64    // grows with every event that made answers wrong
	away    time.Time // until when the registry is not asked
}

type question struct{ principal, groups, endpoint string }

type answer struct {
	at      time.Time
	verdict error // nil: allowed
}

// New is a cache without answers.
func New(o Options) *Cache {
	c := &Cache{o: o, answers: lru.New[question, answer](o.Capacity), counts: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "slipway_gateway_access_decisions_total", Help: "Access decisions, by where they came from.",
	}, []string{"from"})}
	o.Metrics.MustRegister(c.counts)
	return c
}

// MayQuery is nil when p may query the endpoint: PermissionDenied when p may know that it exists, NotFound when p may not,
// Unavailable when the registry cannot be asked and has not been lately. Who may do everything is not asked for.
func (c *Cache) MayQuery(ctx context.Context, p auth.Principal, endpoint string) error {
	if p.IsAdmin() {
		return nil
	}
	q := question{principal: p.Name, groups: strings.Join(p.Groups, "\x00"), endpoint: endpoint}
	now := c.o.Clock.Now()
	known, ok := c.answers.Get(q)
	if ok && now.Sub(known.at) < c.lifetime(known) {
		c.counts.WithLabelValues("memory").Inc()
		return known.verdict
	}
	changes, resting := c.state(now)
	if resting {
		return c.stale(known, ok, now, nil)
	}
	fresh, err := c.ask(ctx, q, p, changes)
	if err != nil {
		if ctx.Err() != nil {
			return fault.Wrap("access.MayQuery", fault.KindOf(ctx.Err()), ctx.Err(), "the call ended before access was decided")
		}
		// The flight may have been older than an event that made the answer wrong: look again.
		known, ok = c.answers.Get(q)
		return c.stale(known, ok, now, err)
	}
	c.counts.WithLabelValues("registry").Inc()
	return fresh.verdict
}

func (c *Cache) lifetime(a answer) time.Duration {
	if a.verdict != nil {
		return c.o.TTL / deniedShare
	}
	return c.o.TTL
}

// state says how many changes there were, and whether the registry is left alone just now.
func (c *Cache) state(now time.Time) (changes uint64, resting bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changes, now.Before(c.away)
}

// stale is what counts when the registry cannot be asked.
func (c *Cache) stale(known answer, ok bool, now time.Time, cause error) error {
	if ok && now.Sub(known.at) < max(c.o.Stale, c.lifetime(known)) {
		c.counts.WithLabelValues("stale").Inc()
		return known.verdict
	}
	c.counts.WithLabelValues("none").Inc()
	return fault.Wrap("access.MayQuery", fault.Unavailable, cause, "access cannot be decided just now; try again").
		WithReason("ACCESS_UNDECIDED").WithRetryAfter(restAfter)
}

// ask puts one question to the registry for all who have it. Who comes after a change does not join those before it.
func (c *Cache) ask(ctx context.Context, q question, p auth.Principal, changes uint64) (answer, error) {
	flight := c.flights.DoChan(fmt.Sprintf("%q %d", q, changes), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWithin)
		defer cancel()
		return c.decide(ctx, q, p, changes)
	})
	select {
	case r := <-flight:
		a, _ := r.Val.(answer)
		return a, r.Err
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
}

// decide asks the registry as this service, about p.
func (c *Cache) decide(ctx context.Context, q question, p auth.Principal, changes uint64) (answer, error) {
	asked := c.o.Clock.Now()
	r, err := c.o.Access.CheckAccess(auth.With(ctx, self), &registryv1.CheckAccessRequest{
		Questions: []*registryv1.AccessQuestion{{
			Securable: &registryv1.Securable{Type: registryv1.SecurableType_SECURABLE_TYPE_ENDPOINT, FullName: q.endpoint},
			Privilege: registryv1.Privilege_PRIVILEGE_EXECUTE,
		}},
		Principal: p.Name,
		Groups:    p.Groups,
	})
	if err == nil && len(r.GetAnswers()) != 1 {
		err = fault.New("access.decide", fault.Internal, "the registry answered %d of 1 questions", len(r.GetAnswers()))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		if c.away.Before(asked) { // once per outage and second, not once per request
			c.o.Log.LogAttrs(ctx, slog.LevelWarn, "access cannot be asked for", slog.String("error", err.Error()))
		}
		c.away = c.o.Clock.Now().Add(restAfter)
		return answer{}, err
	}
	a := answer{at: asked, verdict: verdict(r.GetAnswers()[0])}
	if c.changes == changes {
		c.answers.Put(q, a)
	}
	return a, nil
}

// self is the gateway asking for its own ends.
var self = auth.Service("gateway")

func verdict(a *registryv1.AccessAnswer) error {
	const op = "access.MayQuery"
	switch {
	case a.GetAllowed():
		return nil
	case a.GetVisible():
		text := "you may not query this endpoint"
		if a.GetReason() != "" {
			text += ": " + a.GetReason()
		}
		return fault.New(op, fault.PermissionDenied, "%s", text).WithReason("GRANT_MISSING")
	}
	return fault.New(op, fault.NotFound, "there is no such endpoint, or you may not see it").WithReason("ENDPOINT_NOT_FOUND")
}
