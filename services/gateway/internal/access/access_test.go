package access_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/pkg/testkit"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/access"
)

const (
	ttl   = 10 * time.Second
	stale = 60 * time.Second
)

// registry is the part of a registry that access talks to: grants that a test sets, and events that it sends.
type registry struct {
	registryv1.UnimplementedAccessServiceServer
	registryv1.UnimplementedEventServiceServer
	asked   atomic.Int32
	events  chan any               // an *Event to send, or an error to end the stream with
	watched *testkit.Signal[int64] // positions asked for

	mu     sync.Mutex
	grants map[string]*registryv1.AccessAnswer // by principal or group
	broken error
	hold   chan struct{}
}

func (r *registry) CheckAccess(ctx context.Context, req *registryv1.CheckAccessRequest) (*registryv1.CheckAccessResponse, error) {
	r.asked.Add(1)
	r.mu.Lock()
	a, broken, hold := r.answer(req), r.broken, r.hold
	r.hold = nil
	r.mu.Unlock()
	if hold != nil {
		hold <- struct{}{} // reached
		<-hold             // released
	}
	if p, ok := auth.From(ctx); !ok || p.Kind != auth.Internal || p.Name != "gateway" {
		return nil, fault.New("registry", fault.PermissionDenied, "only services may ask about others, not %q", p.Name)
	}
	if broken != nil {
		return nil, broken
	}
	return &registryv1.CheckAccessResponse{Answers: []*registryv1.AccessAnswer{a}}, nil
}

func (r *registry) answer(req *registryv1.CheckAccessRequest) *registryv1.AccessAnswer {
	for _, name := range append([]string{req.GetPrincipal()}, req.GetGroups()...) {
		if a, ok := r.grants[name+" "+req.GetQuestions()[0].GetSecurable().GetFullName()]; ok {
			return a
		}
	}
	return &registryv1.AccessAnswer{}
}

func (r *registry) set(who string, a *registryv1.AccessAnswer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.grants[who] = a
}

func (r *registry) breakWith(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = err
}

func (r *registry) WatchEvents(req *registryv1.WatchEventsRequest, s grpc.ServerStreamingServer[registryv1.WatchEventsResponse]) error {
	r.watched.Fire(req.GetAfterPosition())
	for {
		select {
		case e := <-r.events:
			if err, ok := e.(error); ok {
				return err
			}
			if err := s.Send(&registryv1.WatchEventsResponse{Event: e.(*registryv1.Event)}); err != nil {
				return err
			}
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
}

type rig struct {
	*access.Cache
	registry *registry
	clock    *clock.Fake
	stop     func() // stops the registry
}

func newRig(t *testing.T) *rig {
	t.Helper()
	net, tel := link.NewNetwork(), telemetry.Discard()
	r := &registry{grants: map[string]*registryv1.AccessAnswer{}, events: make(chan any), watched: testkit.NewSignal[int64]()}
	l, creds, err := net.Listen("inproc:registry", link.TLS{})
	require.NoError(t, err)
	server, err := rpc.NewServer(rpc.ServerOptions{Service: "registry", Telemetry: tel, Creds: creds, TrustPeers: true})
	require.NoError(t, err)
	registryv1.RegisterAccessServiceServer(server, r)
	registryv1.RegisterEventServiceServer(server, r)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	conn, err := net.Dial("inproc:registry", link.TLS{}, rpc.DialOptions("gateway", tel)...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	return &rig{registry: r, clock: c, stop: server.Stop, Cache: access.New(access.Options{
		Access: registryv1.NewAccessServiceClient(conn), Events: registryv1.NewEventServiceClient(conn),
		Clock: c, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), TTL: ttl, Stale: stale, Capacity: 1000,
	})}
}

// follow runs the watch and returns once it is connected.
func (r *rig) follow(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	require.EqualValues(t, -1, r.registry.watched.Wait(t))
}

// settle returns once every event sent so far has been applied.
func (r *rig) settle(t *testing.T) {
	t.Helper()
	probe := func() error { return r.MayQuery(t.Context(), ana, "probe") }
	r.registry.set("ana probe", allowed)
	testkit.Eventually(t, testkit.Patience, func() bool { return probe() == nil }, "the probe is allowed")
	r.registry.set("ana probe", visible)
	r.registry.events <- &registryv1.Event{Kind: registryv1.EventKind_EVENT_KIND_GRANTS_CHANGED, EntityType: "endpoint", FullName: "probe"}
	testkit.Eventually(t, testkit.Patience, func() bool { return probe() != nil }, "the probe is refused")
}

var (
	ana     = auth.Principal{Name: "ana", Kind: auth.User, Groups: []string{"team"}}
	allowed = &registryv1.AccessAnswer{Allowed: true, Visible: true}
	visible = &registryv1.AccessAnswer{Visible: true, Reason: "needs EXECUTE on endpoint chat"}
)

func TestTheRegistryDecides(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registry.set("ana chat", allowed)
	r.registry.set("bob chat", visible)
	r.registry.set("team shared", allowed)
	require.NoError(t, r.MayQuery(t.Context(), ana, "chat"))
	require.NoError(t, r.MayQuery(t.Context(), ana, "shared"), "by group")
	err := r.MayQuery(t.Context(), auth.Principal{Name: "bob", Kind: auth.User}, "chat")
	require.Equal(t, fault.PermissionDenied, fault.KindOf(err))
	require.Contains(t, fault.Text(err), "needs EXECUTE")
	err = r.MayQuery(t.Context(), ana, "secret-project")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	require.NotContains(t, fault.Text(err), "secret-project")
}

func TestWhoMayDoEverythingIsNotAskedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.NoError(t, r.MayQuery(t.Context(), auth.Principal{Name: "root", Kind: auth.User, Groups: []string{auth.Admins}}, "chat"))
	require.NoError(t, r.MayQuery(t.Context(), auth.Service("serving"), "chat"))
	require.Zero(t, r.registry.asked.Load())
}

func TestAnswersAreRememberedApartAndForAWhile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registry.set("ana chat", allowed)
	for range 20 {
		require.NoError(t, r.MayQuery(t.Context(), ana, "chat"))
	}
	require.EqualValues(t, 1, r.registry.asked.Load())
	alone := auth.Principal{Name: "ana", Kind: auth.User}
	require.NoError(t, r.MayQuery(t.Context(), alone, "chat"))
	require.EqualValues(t, 2, r.registry.asked.Load(), "other groups are another question")
	r.clock.Advance(ttl)
	require.NoError(t, r.MayQuery(t.Context(), ana, "chat"))
	require.EqualValues(t, 3, r.registry.asked.Load())
}

func TestARefusalIsForgottenSooner(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.Error(t, r.MayQuery(t.Context(), ana, "chat"))
	r.registry.set("ana chat", allowed)
	require.Error(t, r.MayQuery(t.Context(), ana, "chat"))
	r.clock.Advance(ttl / 5)
	require.NoError(t, r.MayQuery(t.Context(), ana, "chat"))
}

func TestEventsMakeAnswersForgottenAtOnce(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]*registryv1.Event{
		"its grants changed":       {Position: 7, Kind: registryv1.EventKind_EVENT_KIND_GRANTS_CHANGED, EntityType: "endpoint", FullName: "chat"},
		"it was deleted":           {Position: 7, Kind: registryv1.EventKind_EVENT_KIND_DELETED, EntityType: "endpoint", FullName: "chat"},
		"grants on all changed":    {Position: 7, Kind: registryv1.EventKind_EVENT_KIND_GRANTS_CHANGED, EntityType: "metastore"},
		"it was created once more": {Position: 7, Kind: registryv1.EventKind_EVENT_KIND_CREATED, EntityType: "endpoint", FullName: "chat"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.follow(t)
			r.registry.events <- &registryv1.Event{Kind: registryv1.EventKind_EVENT_KIND_HEARTBEAT}
			r.registry.set("ana chat", allowed)
			testkit.Eventually(t, testkit.Patience, func() bool { return r.MayQuery(t.Context(), ana, "chat") == nil }, "allowed")
			r.registry.set("ana chat", visible)
			r.registry.events <- e
			testkit.Eventually(t, testkit.Patience, func() bool { return fault.Is(r.MayQuery(t.Context(), ana, "chat"), fault.PermissionDenied) }, "refused")
		})
	}
}

func TestEventsAboutOtherThingsForgetNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.follow(t)
	r.settle(t)
	r.registry.set("ana chat", allowed)
	require.NoError(t, r.MayQuery(t.Context(), ana, "chat"))
	r.registry.set("ana chat", visible) // what it would hear if it asked
	for i, e := range []*registryv1.Event{
		{Kind: registryv1.EventKind_EVENT_KIND_GRANTS_CHANGED, EntityType: "endpoint", FullName: "other"},
		{Kind: registryv1.EventKind_EVENT_KIND_GRANTS_CHANGED, EntityType: "model", FullName: "chat"},
		{Kind: registryv1.EventKind_EVENT_KIND_MODEL_ALIAS_SET, EntityType: "endpoint", FullName: "chat"},
		{Kind: registryv1.EventKind_EVENT_KIND_HEARTBEAT},
	} {
		e.Position = int64(i + 3)
		r.registry.events <- e
	}
	r.registry.set("ana probe", allowed)
	r.registry.events <- &registryv1.Event{Position: 9, Kind: registryv1.EventKind_EVENT_KIND_GRANTS_CHANGED, EntityType: "endpoint", FullName: "probe"}
	r.settle(t)
	require.NoError(t, r.MayQuery(t.Context(), ana, "chat"), "still the old answer, from memory")
}

func TestAnAnswerOlderThanAnEventIsNotRemembered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.follow(t)
	r.settle(t)
	r.registry.set("ana chat", allowed)
	hold := make(chan struct{})
	r.registry.mu.Lock()
	r.registry.hold = hold
	r.registry.mu.Unlock()
	early := make(chan error, 1)
	go func() { early <- r.MayQuery(t.Context(), ana, "chat") }()
	<-hold // the registry has decided, and the answer is on its way
	r.registry.set("ana chat", visible)
	r.registry.events <- &registryv1.Event{Position: 3, Kind: registryv1.EventKind_EVENT_KIND_GRANTS_CHANGED, EntityType: "endpoint", FullName: "chat"}
	r.registry.set("ana probe", allowed)
	r.registry.events <- &registryv1.Event{Position: 4, Kind: registryv1.EventKind_EVENT_KIND_GRANTS_CHANGED, EntityType: "endpoint", FullName: "probe"}
	r.settle(t)
	require.True(t, fault.Is(r.MayQuery(t.Context(), ana, "chat"), fault.PermissionDenied), "who comes after the event asks anew")
	hold <- struct{}{}
	require.NoError(t, <-early)
	require.True(t, fault.Is(r.MayQuery(t.Context(), ana, "chat"), fault.PermissionDenied))
}

func TestAfterABreakTheWatchGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.follow(t)
	r.registry.events <- &registryv1.Event{Position: 41, Kind: registryv1.EventKind_EVENT_KIND_HEARTBEAT}
	r.registry.events <- &registryv1.Event{Position: 0, Kind: registryv1.EventKind_EVENT_KIND_HEARTBEAT}
	r.registry.events <- fault.New("registry", fault.Unavailable, "stopping")
	r.clock.Await(1)
	r.clock.Advance(10 * time.Second)
	require.EqualValues(t, 41, r.registry.watched.Wait(t))
	r.registry.events <- fault.New("registry", fault.FailedPrecondition, "that position is gone")
	r.clock.Await(1)
	r.clock.Advance(10 * time.Second)
	require.EqualValues(t, -1, r.registry.watched.Wait(t))
}

func TestWithoutARegistryOldAnswersCountForABoundedTimeAndNewOnesAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registry.set("ana chat", allowed)
	require.NoError(t, r.MayQuery(t.Context(), ana, "chat"))
	require.Error(t, r.MayQuery(t.Context(), ana, "private"))
	r.stop()
	r.clock.Advance(ttl + time.Second)
	require.NoError(t, r.MayQuery(t.Context(), ana, "chat"), "known lately")
	require.True(t, fault.Is(r.MayQuery(t.Context(), ana, "private"), fault.NotFound), "a refusal stays a refusal")
	err := r.MayQuery(t.Context(), ana, "never-asked")
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	require.Equal(t, "ACCESS_UNDECIDED", fault.Reason(err))
	require.Positive(t, fault.RetryAfter(err))
	r.clock.Advance(stale)
	require.True(t, fault.Is(r.MayQuery(t.Context(), ana, "chat"), fault.Unavailable), "fails closed")
}

func TestARegistryThatFailsIsLeftAloneForAMoment(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registry.breakWith(fault.New("registry", fault.Internal, "broken"))
	require.Error(t, r.MayQuery(t.Context(), ana, "chat"))
	asked := r.registry.asked.Load()
	for range 10 {
		require.Error(t, r.MayQuery(t.Context(), ana, "chat"))
	}
	require.Equal(t, asked, r.registry.asked.Load())
	r.registry.breakWith(nil)
	r.registry.set("ana chat", allowed)
	r.clock.Advance(2 * time.Second)
	require.NoError(t, r.MayQuery(t.Context(), ana, "chat"))
}
