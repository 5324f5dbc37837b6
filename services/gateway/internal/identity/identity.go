// Package identity finds out who calls. A caller shows a bearer token; the gateway keeps only hashes of tokens, so it
// hashes what it is shown and looks the hash up. The answer is kept in memory for a few seconds, because it is asked for
// at every request, and no longer, because a token revoked at another gateway must stop working here too. What this
// gateway itself changes (a revocation, a disabled principal) counts at the very next request.
//
// Nothing here lets a token's text out: not errors, not logs, not metrics, not the cache, which knows hashes as well.
package identity

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc/metadata"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/limit"
	"github.com/slipway-ai/slipway/services/gateway/internal/lru"
)

// Store is what identity asks of the store.
type Store interface {
	// TokenByHash finds a token, ended or not, with its principal; NotFound when there is none.
	TokenByHash(ctx context.Context, hash domain.TokenHash) (domain.Token, domain.Principal, error)
	TouchTokens(ctx context.Context, used map[string]time.Time) error
	SweepTokens(ctx context.Context, before time.Time) (int64, error)
}

// Options of an Authenticator. Store, Clock, Log and Metrics must be set.
type Options struct {
	Store   Store
	Clock   clock.Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// TTL is how long an answer of the store is believed: the longest time that a token revoked elsewhere still works here.
	TTL time.Duration
	// Capacity bounds the answers kept in memory.
	Capacity int
}

// Authenticator knows tokens. It is safe for concurrent use.
type Authenticator struct {
	o       Options
	known   *lru.Cache[domain.TokenHash, *answer]
	unknown *lru.Cache[domain.TokenHash, *answer] // apart, so that guesses push out only guesses
	rates   *lru.Cache[string, int32]
	loads   singleflight.Group
	era     atomic.Uint64 // grows with every change made here; answers of an earlier era are not believed
	results *prometheus.CounterVec
	ok      prometheus.Counter
	logged  *limit.Limiter
	hushed  atomic.Int64 // refusals not logged because there were too many

	usedMu sync.Mutex
	used   map[string]time.Time // token id → minute, not yet written
}

// answer is what the store said about a hash.
type answer struct {
	era    uint64
	at     time.Time
	found  bool
	token  domain.Token
	who    domain.Principal
	caller auth.Principal
	minute atomic.Int64 // of the last use that was noted
}

// loadWithin bounds one question to the store, whose answer several requests may wait for.
const loadWithin = 5 * time.Second

// New is an authenticator that knows nobody yet.
func New(o Options) *Authenticator {
	a := &Authenticator{
		o: o, known: lru.New[domain.TokenHash, *answer](o.Capacity), unknown: lru.New[domain.TokenHash, *answer](o.Capacity),
		rates: lru.New[string, int32](o.Capacity), logged: limit.New(), used: map[string]time.Time{},
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_gateway_authentications_total", Help: "Credentials looked at, by result.",
		}, []string{"result"}),
	}
	o.Metrics.MustRegister(a.results)
	a.ok = a.results.WithLabelValues("ok")
	return a
}

// Authenticate is the principal of an HTTP request, from its Authorization, x-api-key or api-key header.
func (a *Authenticator) Authenticate(r *http.Request) (auth.Principal, error) {
	return a.identify(r.Context(), caller{remote: r.RemoteAddr, surface: "http", get: r.Header.Values})
}

// AuthenticateCall is the principal of a gRPC call, from the same keys of its metadata.
func (a *Authenticator) AuthenticateCall(ctx context.Context, md metadata.MD) (auth.Principal, error) {
	return a.identify(ctx, caller{remote: remoteOf(ctx), surface: "grpc", get: md.Get})
}

func (a *Authenticator) identify(ctx context.Context, c caller) (auth.Principal, error) {
	text, err := c.credential()
	if err != nil {
		return auth.Principal{}, a.refuse(ctx, c, err, nil)
	}
	hash, err := domain.ParseToken(text)
	if err != nil {
		return auth.Principal{}, a.refuse(ctx, c, err, nil)
	}
	found, err := a.lookup(ctx, hash)
	if err == nil {
		err = found.judge(a.o.Clock.Now())
	}
	if err != nil {
		return auth.Principal{}, a.refuse(ctx, c, err, found)
	}
	a.ok.Inc()
	a.note(found)
	return found.caller, nil
}

// lookup answers from memory, or asks the store once for all who ask at the same time.
func (a *Authenticator) lookup(ctx context.Context, hash domain.TokenHash) (*answer, error) {
	era, now := a.era.Load(), a.o.Clock.Now()
	if x, ok := a.remembered(hash, era, now); ok {
		return x, nil
	}
	// The era is part of the key: who comes after a change does not join those who asked before it.
	key := fmt.Sprintf("%x %d", hash, era)
	flight := a.loads.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadWithin)
		defer cancel()
		return a.load(ctx, hash, era, now)
	})
	select {
	case r := <-flight:
		x, _ := r.Val.(*answer)
		return x, r.Err
	case <-ctx.Done():
		return nil, fault.Wrap("identity.lookup", fault.KindOf(ctx.Err()), ctx.Err(), "the call ended before its token was looked up")
	}
}

// remembered is an answer that is still believed.
func (a *Authenticator) remembered(hash domain.TokenHash, era uint64, now time.Time) (*answer, bool) {
	for _, cache := range []*lru.Cache[domain.TokenHash, *answer]{a.known, a.unknown} {
		if x, ok := cache.Get(hash); ok && x.era == era && now.Sub(x.at) < a.o.TTL {
			return x, true
		}
	}
	return nil, false
}

func (a *Authenticator) load(ctx context.Context, hash domain.TokenHash, era uint64, now time.Time) (*answer, error) {
	if x, ok := a.remembered(hash, era, now); ok { // a flight landed between our look and our take-off
		return x, nil
	}
	token, who, err := a.o.Store.TokenByHash(ctx, hash)
	x := &answer{era: era, at: now}
	switch {
	case fault.Is(err, fault.NotFound):
		a.unknown.Put(hash, x)
		return x, nil
	case err != nil: // closed, not open: without its store a gateway does not know what was revoked
		return nil, fault.Wrap("identity.load", fault.Unavailable, err, "tokens cannot be checked just now; try again").WithReason("TOKEN_STORE_UNAVAILABLE")
	}
	x.found, x.token, x.who, x.caller = true, token, who, Caller(who, token.Scopes)
	a.rates.Put(who.Name, who.RequestsPerMinute)
	a.known.Put(hash, x)
	return x, nil
}

// judge says why the token does not let its bearer in now; nil when it does.
func (x *answer) judge(now time.Time) error {
	const op = "identity.judge"
	if !x.found {
		return fault.New(op, fault.Unauthenticated, "the token is not known here").WithReason("TOKEN_UNKNOWN")
	}
	switch x.token.Ended(now) {
	case "revoked":
		return fault.New(op, fault.Unauthenticated, "the token has been revoked").WithReason("TOKEN_REVOKED")
	case "expired":
		return fault.New(op, fault.Unauthenticated, "the token expired at %s", x.token.ExpireTime.Format(time.RFC3339)).WithReason("TOKEN_EXPIRED")
	}
	if x.who.Disabled {
		return fault.New(op, fault.Unauthenticated, "the principal of this token is disabled").WithReason("PRINCIPAL_DISABLED")
	}
	return nil
}

// Changed makes everything known so far be asked for again: call it after every change of a token or principal.
func (a *Authenticator) Changed() { a.era.Add(1) }

// RequestsPerMinute is what was set for a principal that was authenticated lately: 0 when nothing was, or when it is not
// known any more.
func (a *Authenticator) RequestsPerMinute(name string) int32 {
	rate, _ := a.rates.Get(name)
	return rate
}

// Caller is a principal with the rights of one token, as it travels to other services. A token for everything has no
// scopes there: see auth.Principal.
func Caller(p domain.Principal, scopes domain.Scopes) auth.Principal {
	out := auth.Principal{Name: p.Name, Kind: auth.User, Groups: p.Groups}
	if p.Kind == domain.ServiceAccount {
		out.Kind = auth.ServiceAccount
	}
	if !scopes.Covers(domain.Scopes{domain.ScopeAll}) {
		out.Scopes = scopes.Strings()
	}
	return out
}
