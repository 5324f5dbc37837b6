package identity_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/identity"
	"github.com/slipway-ai/slipway/services/gateway/internal/store"
)

const ttl = 3 * time.Second

// house is an authenticator on a real store, with a clock that stands still.
type house struct {
	*identity.Authenticator
	store *watched
	clock *clock.Fake
	log   *buffer
}

// watched is the real store, counted, and broken or held up when a test wants it so.
type watched struct {
	store.Store
	reads  atomic.Int32
	broken atomic.Bool
	held   atomic.Pointer[held]
}

type held struct{ reached, release chan struct{} }

func (w *watched) TokenByHash(ctx context.Context, h domain.TokenHash) (domain.Token, domain.Principal, error) {
	w.reads.Add(1)
	if w.broken.Load() {
		return domain.Token{}, domain.Principal{}, fault.New("watched", fault.Internal, "the disk is on fire")
	}
	t, p, err := w.Store.TokenByHash(ctx, h)
	if hold := w.held.Swap(nil); hold != nil {
		close(hold.reached)
		<-hold.release
	}
	return t, p, err
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{
		store: &watched{Store: store.New(testkit.OpenStore(t, testkit.SQLite(t), store.Migrations()))},
		clock: clock.NewFake(time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)), log: &buffer{},
	}
	h.Authenticator = identity.New(identity.Options{
		Store: h.store, Clock: h.clock, Log: slog.New(slog.NewJSONHandler(h.log, nil)), Metrics: prometheus.NewRegistry(), TTL: ttl, Capacity: 256,
	})
	return h
}

// token makes a principal of that name and a token of it.
func (h *house) token(t *testing.T, name string, change func(*domain.Principal, *domain.Token)) string {
	t.Helper()
	p := domain.Principal{Name: name, Kind: domain.User, Groups: []string{"team"}, CreateTime: h.clock.Now(), UpdateTime: h.clock.Now()}
	tok := domain.Token{ID: "id-" + name, Principal: name, Scopes: domain.Scopes{domain.ScopeAll}, Creator: "admin", CreateTime: h.clock.Now()}
	if change != nil {
		change(&p, &tok)
	}
	_, err := h.store.PutPrincipal(t.Context(), p)
	require.NoError(t, err)
	text := domain.NewTokenText()
	hash, err := domain.ParseToken(text)
	require.NoError(t, err)
	require.NoError(t, h.store.CreateToken(t.Context(), tok, hash))
	return text
}

func request(header, value string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if header != "" {
		r.Header.Set(header, value)
	}
	return r
}

func (h *house) try(text string) (auth.Principal, error) {
	return h.Authenticate(request("Authorization", "Bearer "+text))
}

func TestATokenSpeaksForItsPrincipalWithItsScopes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	all := h.token(t, "ana", func(p *domain.Principal, _ *domain.Token) {
		p.Groups, p.Kind = []string{"admins"}, domain.ServiceAccount
	})
	p, err := h.try(all)
	require.NoError(t, err)
	require.Equal(t, auth.Principal{Name: "ana", Kind: auth.ServiceAccount, Groups: []string{"admins"}}, p)
	require.True(t, p.HasScope("inference"), "a token for everything is for inference too")
	read := h.token(t, "bob", func(_ *domain.Principal, t *domain.Token) { t.Scopes = domain.Scopes{domain.ScopeRead} })
	p, err = h.try(read)
	require.NoError(t, err)
	require.Equal(t, []string{"read"}, p.Scopes)
	require.False(t, p.HasScope("inference"))
}

func TestATokenIsTakenFromEveryHeaderAndFromMetadata(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	text := h.token(t, "ana", nil)
	for header, value := range map[string]string{
		"Authorization": "Bearer " + text, "authorization": "bearer   " + text + " ", "X-Api-Key": text, "x-api-key": text, "Api-Key": " " + text,
	} {
		p, err := h.Authenticate(request(header, value))
		require.NoError(t, err, header)
		require.Equal(t, "ana", p.Name)
	}
	for _, md := range []metadata.MD{
		metadata.Pairs("authorization", "Bearer "+text), metadata.Pairs("x-api-key", text), metadata.Pairs("Api-Key", text),
	} {
		p, err := h.AuthenticateCall(t.Context(), md)
		require.NoError(t, err)
		require.Equal(t, "ana", p.Name)
	}
	odd := request("Authorization", "Basic dXNlcjpwYXNz")
	odd.Header.Set("X-Api-Key", text)
	_, err := h.Authenticate(odd)
	require.NoError(t, err, "another scheme does not hide a key that is there")
}

func TestWrongCredentialsAreRefusedClearlyAndNeverShown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	now := h.clock.Now()
	good := h.token(t, "ok", nil)
	cases := map[string]struct{ header, value, reason string }{
		"none":      {"", "", "CREDENTIAL_MISSING"},
		"basic":     {"Authorization", "Basic aHVudGVyMg==", "CREDENTIAL_SCHEME"},
		"bare":      {"Authorization", good, "CREDENTIAL_SCHEME"},
		"empty":     {"Authorization", "Bearer ", "CREDENTIAL_SCHEME"},
		"malformed": {"Authorization", "Bearer hunter2-is-my-password", "TOKEN_MALFORMED"},
		"a digit":   {"X-Api-Key", good[:len(good)-1] + "?", "TOKEN_MALFORMED"},
		"unknown":   {"X-Api-Key", domain.NewTokenText(), "TOKEN_UNKNOWN"},
		"expired":   {"Api-Key", h.token(t, "expired", func(_ *domain.Principal, x *domain.Token) { x.ExpireTime = now }), "TOKEN_EXPIRED"},
		"revoked":   {"Api-Key", h.token(t, "revoked", func(_ *domain.Principal, x *domain.Token) { x.RevokeTime = now.Add(-time.Hour) }), "TOKEN_REVOKED"},
		"disabled":  {"Api-Key", h.token(t, "disabled", func(p *domain.Principal, _ *domain.Token) { p.Disabled = true }), "PRINCIPAL_DISABLED"},
	}
	for name, c := range cases {
		_, err := h.Authenticate(request(c.header, c.value))
		require.Equal(t, fault.Unauthenticated, fault.KindOf(err), name)
		require.Equal(t, c.reason, fault.Reason(err), name)
		require.NotEmpty(t, fault.Text(err))
		if secret := strings.TrimPrefix(strings.TrimPrefix(c.value, "Bearer "), "Basic "); secret != "" {
			require.NotContains(t, err.Error(), secret, name)
			require.NotContains(t, h.log.String(), secret, name)
		}
	}
	double := request("X-Api-Key", good)
	double.Header.Add("X-Api-Key", domain.NewTokenText())
	_, err := h.Authenticate(double)
	require.Equal(t, "CREDENTIAL_AMBIGUOUS", fault.Reason(err))
	require.Contains(t, h.log.String(), `"token_id":"id-expired"`)
	require.Contains(t, h.log.String(), `"remote":"192.0.2.1:1234"`)
	require.NotContains(t, h.log.String(), "CREDENTIAL_MISSING", "who shows nothing is not an attack")
}

func TestAnswersComeFromMemoryUntilTheyAreOld(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	text, guess := h.token(t, "ana", nil), domain.NewTokenText()
	for range 50 {
		_, err := h.try(text)
		require.NoError(t, err)
		_, err = h.try(guess)
		require.Error(t, err)
	}
	require.EqualValues(t, 2, h.store.reads.Load())
	h.clock.Advance(ttl)
	_, err := h.try(text)
	require.NoError(t, err)
	require.EqualValues(t, 3, h.store.reads.Load())
}

func TestARevocationElsewhereCountsAfterTheTTLAndOneHereAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	text := h.token(t, "ana", nil)
	_, err := h.try(text)
	require.NoError(t, err)
	require.NoError(t, h.store.RevokeToken(t.Context(), "id-ana", h.clock.Now())) // another gateway did that
	_, err = h.try(text)
	require.NoError(t, err)
	h.clock.Advance(ttl)
	_, err = h.try(text)
	require.Equal(t, "TOKEN_REVOKED", fault.Reason(err))

	here := h.token(t, "bob", nil)
	_, err = h.try(here)
	require.NoError(t, err)
	require.NoError(t, h.store.RevokeToken(t.Context(), "id-bob", h.clock.Now()))
	h.Changed()
	_, err = h.try(here)
	require.Equal(t, "TOKEN_REVOKED", fault.Reason(err))
}

func TestARevocationBeatsALookupThatIsUnderWay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	text := h.token(t, "ana", nil)
	hold := &held{reached: make(chan struct{}), release: make(chan struct{})}
	h.store.held.Store(hold)
	early := make(chan error, 1)
	go func() {
		_, err := h.try(text)
		early <- err
	}()
	<-hold.reached // it has read the row, and has not answered yet
	require.NoError(t, h.store.RevokeToken(t.Context(), "id-ana", h.clock.Now()))
	h.Changed()
	_, err := h.try(text)
	require.Equal(t, "TOKEN_REVOKED", fault.Reason(err), "a request after the revocation must not join the lookup before it")
	close(hold.release)
	require.NoError(t, <-early, "a request before the revocation may pass")
	_, err = h.try(text)
	require.Equal(t, "TOKEN_REVOKED", fault.Reason(err), "and must not leave its answer behind")
}

func TestGuessesDoNotPushOutWhoIsKnown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	text := h.token(t, "ana", nil)
	_, err := h.try(text)
	require.NoError(t, err)
	for range 2000 {
		_, err := h.try(domain.NewTokenText())
		require.Error(t, err)
	}
	before := h.store.reads.Load()
	_, err = h.try(text)
	require.NoError(t, err)
	require.Equal(t, before, h.store.reads.Load())
	require.Less(t, strings.Count(h.log.String(), "\n"), 400, "a flood of guesses must not flood the log")
	h.clock.Advance(time.Minute)
	_, err = h.try(domain.NewTokenText())
	require.Error(t, err)
	require.Contains(t, h.log.String(), "not_logged_before")
}

func TestWithoutItsStoreTheGatewayLetsNobodyIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	text := h.token(t, "ana", nil)
	h.store.broken.Store(true)
	_, err := h.try(text)
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	require.NotContains(t, fault.Text(err), "fire")
	h.store.broken.Store(false)
	_, err = h.try(text)
	require.NoError(t, err, "a failure is not remembered")
}

func TestManyRequestsAskTheStoreOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	text := h.token(t, "ana", nil)
	hold := &held{reached: make(chan struct{}), release: make(chan struct{})}
	h.store.held.Store(hold)
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			if _, err := h.try(text); err != nil {
				t.Errorf("authenticate: %v", err)
			}
		})
	}
	<-hold.reached
	close(hold.release)
	wait.Wait()
	require.EqualValues(t, 1, h.store.reads.Load())
}

func TestACallerWhoLeavesDoesNotSpoilTheLookupOfOthers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	text := h.token(t, "ana", nil)
	hold := &held{reached: make(chan struct{}), release: make(chan struct{})}
	h.store.held.Store(hold)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := h.Authenticate(request("X-Api-Key", text).WithContext(ctx))
		left <- err
	}()
	<-hold.reached
	leave()
	require.Equal(t, fault.Canceled, fault.KindOf(<-left))
	close(hold.release)
	_, err := h.try(text)
	require.NoError(t, err)
}

func TestTheLastUseIsKnownToTheMinuteWithoutAWritePerRequest(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	text := h.token(t, "ana", nil)
	for range 10 {
		_, err := h.try(text)
		require.NoError(t, err)
	}
	stored, err := h.store.Token(t.Context(), "id-ana")
	require.NoError(t, err)
	require.Zero(t, stored.LastUsedTime)
	minute := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	require.Equal(t, minute, h.LastUsed(stored))
	require.NoError(t, h.Flush(t.Context()))
	stored, err = h.store.Token(t.Context(), "id-ana")
	require.NoError(t, err)
	require.Equal(t, minute, stored.LastUsedTime)

	h.clock.Advance(time.Minute)
	_, err = h.try(text)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, h.Run(ctx), "the loop writes what is left when it ends")
	stored, err = h.store.Token(t.Context(), "id-ana")
	require.NoError(t, err)
	require.Equal(t, minute.Add(time.Minute), stored.LastUsedTime)
}

func TestUpkeepWritesUsesAndSweepsWhatEndedLongAgo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	text := h.token(t, "ana", nil)
	h.token(t, "old", func(_ *domain.Principal, x *domain.Token) { x.RevokeTime = h.clock.Now().Add(-31 * 24 * time.Hour) })
	_, err := h.try(text)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	h.clock.Await(2)
	h.clock.Advance(time.Hour)
	testkit.Eventually(t, testkit.Patience, func() bool {
		x, err := h.store.Token(t.Context(), "id-ana")
		_, gone := h.store.Token(t.Context(), "id-old")
		return err == nil && !x.LastUsedTime.IsZero() && fault.Is(gone, fault.NotFound)
	}, "the use is written and the old token is gone")
	cancel()
	require.NoError(t, <-done)
}

func TestARateIsKnownOnceItsPrincipalHasComeIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	text := h.token(t, "ana", func(p *domain.Principal, _ *domain.Token) { p.RequestsPerMinute = 42 })
	require.Zero(t, h.RequestsPerMinute("ana"))
	_, err := h.try(text)
	require.NoError(t, err)
	require.EqualValues(t, 42, h.RequestsPerMinute("ana"))
}

func TestAnyoneIsTheAdminWhereNoTokenIsAsked(t *testing.T) {
	t.Parallel()
	p, err := identity.Anyone{}.Authenticate(request("", ""))
	require.NoError(t, err)
	require.True(t, p.IsAdmin())
	require.Equal(t, domain.Admin, p.Name)
	again, err := identity.Anyone{}.AuthenticateCall(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, p, again)
}

func BenchmarkAuthenticate(b *testing.B) {
	st := store.New(testkit.OpenStore(b, testkit.SQLite(b), store.Migrations()))
	a := identity.New(identity.Options{Store: st, Clock: clock.System(), Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), TTL: time.Hour, Capacity: 10000})
	_, err := st.PutPrincipal(b.Context(), domain.Principal{Name: "ana", Kind: domain.User, Groups: []string{}})
	require.NoError(b, err)
	var requests []*http.Request
	for i := range 100 {
		text := domain.NewTokenText()
		hash, err := domain.ParseToken(text)
		require.NoError(b, err)
		require.NoError(b, st.CreateToken(b.Context(), domain.Token{ID: strconv.Itoa(i), Principal: "ana", Scopes: domain.Scopes{domain.ScopeAll}}, hash))
		requests = append(requests, request("Authorization", "Bearer "+text))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := a.Authenticate(requests[i%len(requests)]); err != nil {
			b.Fatal(err)
		}
	}
}
