package api_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/testkit"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/registry"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
	"github.com/slipway-ai/slipway/services/registry/internal/store/sqlstore"
)

const heartbeat = registryv1.EventKind_EVENT_KIND_HEARTBEAT

type watch = registryv1.EventService_WatchEventsClient

func follow(t testing.TB, h *house, ctx context.Context, after int64) watch {
	t.Helper()
	return must[watch](t)(h.event.WatchEvents(ctx, &registryv1.WatchEventsRequest{AfterPosition: after}))
}

func next(t testing.TB, w watch) *registryv1.Event {
	t.Helper()
	return must[*registryv1.WatchEventsResponse](t)(w.Recv()).GetEvent()
}

// position is that of the newest event.
func position(t testing.TB, h *house) int64 {
	t.Helper()
	ctx, cancel := context.WithCancel(admin(t))
	defer cancel()
	e := next(t, follow(t, h, ctx, -1))
	require.Equal(t, heartbeat, e.GetKind())
	return e.GetPosition()
}

// collect is the next n events after a position, heartbeats left out.
func collect(t testing.TB, h *house, ctx context.Context, after int64, n int) (list []*registryv1.Event) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for w := follow(t, h, ctx, after); len(list) < n; {
		if e := next(t, w); e.GetKind() != heartbeat {
			list = append(list, e)
		}
	}
	return list
}

// history is what a caller hears up to the first heartbeat.
func history(t testing.TB, h *house, ctx context.Context) (list []*registryv1.Event) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for w := follow(t, h, ctx, 0); ; {
		e := next(t, w)
		if e.GetKind() == heartbeat {
			return list
		}
		list = append(list, e)
	}
}

func TestEverythingThatHappensIsTold(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		furnish(t, h)
		ctx := admin(t)
		owner := "ada"
		must[*registryv1.UpdateModelResponse](t)(h.model.UpdateModel(ctx, &registryv1.UpdateModelRequest{FullName: chat, Owner: &owner}))
		must[*registryv1.SetModelVersionTagsResponse](t)(h.model.SetModelVersionTags(ctx, &registryv1.SetModelVersionTagsRequest{Model: chat, Version: 1, SetTags: map[string]string{"a": "b"}}))
		must[*registryv1.DeleteModelAliasResponse](t)(h.model.DeleteModelAlias(ctx, &registryv1.DeleteModelAliasRequest{Model: chat, Alias: "champion"}))
		must[*registryv1.DeletePromptAliasResponse](t)(h.prompt.DeletePromptAlias(ctx, &registryv1.DeletePromptAliasRequest{Prompt: greet, Alias: "prod"}))
		h.grant("eve", metastore(), useCatalog)
		h.grant("eve", metastore(), useCatalog) // changes nothing, tells nothing
		must[*registryv1.DeletePromptResponse](t)(h.prompt.DeletePrompt(ctx, &registryv1.DeletePromptRequest{FullName: greet}))
		must[*registryv1.DeleteCatalogResponse](t)(h.catalog.DeleteCatalog(ctx, &registryv1.DeleteCatalogRequest{Name: "bare"}))
		must[*registryv1.UnregisterSecurableResponse](t)(h.access.UnregisterSecurable(internal(t), &registryv1.UnregisterSecurableRequest{Securable: endpoint("faq")}))
		_, err := h.catalog.CreateCatalog(ctx, &registryv1.CreateCatalogRequest{Name: "main"}) // fails, tells nothing
		require.Error(t, err)

		type told struct {
			kind, entity, name string
			version            int64
			alias, actor       string
		}
		var got []told
		for i, e := range history(t, h, ctx) {
			require.EqualValues(t, i+1, e.GetPosition())
			require.WithinDuration(t, time.Now(), e.GetEventTime().AsTime(), time.Minute)
			got = append(got, told{e.GetKind().String()[len("EVENT_KIND_"):], e.GetEntityType(), e.GetFullName(), e.GetVersion(), e.GetAlias(), e.GetActor()})
		}
		require.Equal(t, []told{
			{"CREATED", "catalog", "main", 0, "", "root"},
			{"CREATED", "catalog", "bare", 0, "", "root"},
			{"CREATED", "schema", "main.demo", 0, "", "root"},
			{"CREATED", "schema", "main.empty", 0, "", "root"},
			{"CREATED", "model", chat, 0, "", "root"},
			{"CREATED", "model_version", chat, 1, "", "root"},
			{"MODEL_VERSION_READY", "model_version", chat, 1, "", "root"},
			{"CREATED", "model_version", chat, 2, "", "root"},
			{"MODEL_ALIAS_SET", "model", chat, 1, "champion", "root"},
			{"CREATED", "prompt", greet, 0, "", "root"},
			{"PROMPT_VERSION_CREATED", "prompt_version", greet, 1, "", "root"},
			{"PROMPT_ALIAS_SET", "prompt", greet, 1, "prod", "root"},
			{"CREATED", "endpoint", "faq", 0, "", "serving"},
			{"GRANTS_CHANGED", "model", chat, 0, "", "root"},
			{"UPDATED", "model", chat, 0, "", "root"},
			{"UPDATED", "model_version", chat, 1, "", "root"},
			{"MODEL_ALIAS_SET", "model", chat, 0, "champion", "root"},
			{"PROMPT_ALIAS_SET", "prompt", greet, 0, "prod", "root"},
			{"GRANTS_CHANGED", "metastore", "", 0, "", "root"},
			{"DELETED", "prompt", greet, 0, "", "root"},
			{"DELETED", "catalog", "bare", 0, "", "root"},
			{"DELETED", "endpoint", "faq", 0, "", "serving"},
		}, got)
	})
}

func TestAWatcherHearsHistoryThenWhatHappens(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		furnish(t, h)
		end := position(t, h)
		w := follow(t, h, admin(t), end-2)
		require.Equal(t, end-1, next(t, w).GetPosition())
		require.Equal(t, end, next(t, w).GetPosition())
		first := next(t, w)
		require.Equal(t, heartbeat, first.GetKind(), "history is over")
		require.Equal(t, end, first.GetPosition())

		fromNow := follow(t, h, admin(t), -1)
		require.Equal(t, end, next(t, fromNow).GetPosition())
		for i := range 5 {
			must[*registryv1.SetModelAliasResponse](t)(h.model.SetModelAlias(admin(t), &registryv1.SetModelAliasRequest{Model: chat, Alias: "a", Version: 1}))
			for _, each := range []watch{w, fromNow} {
				e := next(t, each)
				require.Equal(t, end+1+int64(i), e.GetPosition())
				require.Equal(t, "a", e.GetAlias())
			}
		}
		resumed := follow(t, h, admin(t), end+3)
		require.Equal(t, end+4, next(t, resumed).GetPosition())

		for _, bad := range []int64{end + 6, 1 << 60} {
			_, err := follow(t, h, admin(t), bad).Recv()
			refused(t, err, fault.Invalid, "POSITION_INVALID", "the newest is")
		}
		_, err := follow(t, h, admin(t), -2).Recv()
		refused(t, err, fault.Invalid, "")
		_, err = follow(t, h, t.Context(), 0).Recv()
		refused(t, err, fault.Unauthenticated, "")
	})
}

func TestAWatcherHearsOnlyWhatItMaySee(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), nil)
	furnish(t, h)
	eve := as(t, "eve")
	require.Empty(t, history(t, h, eve))
	stranger := next(t, follow(t, h, eve, 0))
	require.Equal(t, heartbeat, stranger.GetKind())
	require.Equal(t, position(t, h), stranger.GetPosition(), "the place moves on past what is not told")
	h.grant("eve", catalogNamed("main"), useCatalog)
	h.grant("eve", schemaNamed("main.demo"), useSchema)
	h.grant("eve", modelNamed(chat), execute)
	heard := map[string]bool{}
	for _, e := range history(t, h, eve) {
		heard[e.GetFullName()] = true
	}
	require.Equal(t, map[string]bool{"main": true, "main.demo": true, chat: true}, heard)

	w := follow(t, h, eve, position(t, h))
	next(t, w)
	h.grant("ada", promptNamed(greet), execute)
	must[*registryv1.SetModelAliasResponse](t)(h.model.SetModelAlias(admin(t), &registryv1.SetModelAliasRequest{Model: chat, Alias: "a", Version: 1}))
	e := next(t, w)
	require.Equal(t, "a", e.GetAlias(), "the grant on the prompt is not eve's to know")

	h.revoke("eve", modelNamed(chat), execute)
	must[*registryv1.SetModelAliasResponse](t)(h.model.SetModelAlias(admin(t), &registryv1.SetModelAliasRequest{Model: chat, Alias: "b", Version: 1}))
	h.grant("eve", modelNamed(chat), execute)
	must[*registryv1.SetModelAliasResponse](t)(h.model.SetModelAlias(admin(t), &registryv1.SetModelAliasRequest{Model: chat, Alias: "c", Version: 1}))
	for e = next(t, w); e.GetAlias() != "c"; e = next(t, w) {
		require.NotEqual(t, heartbeat, e.GetKind())
	}
}

// Two registries on one database: what one commits, the other's watchers hear, in the same order.
func TestWatchersHearOfOtherReplicas(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(testing.TB) string{"sqlite": testkit.SQLite, "postgres": testkit.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := open(t, url(t), nil)
			furnish(t, a)
			b := open(t, a.url, nil)
			w := follow(t, b, admin(t), -1)
			from := next(t, w).GetPosition()
			for i := range int64(10) {
				writer := []*house{a, b}[i%2]
				must[*registryv1.SetModelAliasResponse](t)(writer.model.SetModelAlias(admin(t), &registryv1.SetModelAliasRequest{Model: chat, Alias: "a", Version: 1}))
			}
			for i := range int64(10) {
				require.Equal(t, from+1+i, next(t, w).GetPosition())
			}
		})
	}
}

// waiters of a quiet registry: its two loops, and the ticker of its one watcher.
const waiters = 3

func withFake(t *testing.T) (*house, *clock.Fake) {
	fake := clock.NewFake(time.Now())
	h := open(t, sqlite(t), func(_ *registry.Config, s *boot.Settings) { s.Clock = fake })
	return h, fake
}

func TestAQuietStreamIsHeardToLive(t *testing.T) {
	t.Parallel()
	h, fake := withFake(t)
	w := follow(t, h, admin(t), 0)
	require.Equal(t, heartbeat, next(t, w).GetKind())
	fake.Await(waiters)
	for range 3 {
		fake.Advance(10 * time.Second)
		e := next(t, w)
		require.Equal(t, heartbeat, e.GetKind())
		require.True(t, fake.Now().Equal(e.GetEventTime().AsTime()) || fake.Now().Sub(e.GetEventTime().AsTime()) < time.Microsecond)
	}
}

// A watcher that does not read holds at most its queue and the connection's window. Then it is cut, and told so behind
// what it has not read yet.
func TestASlowWatcherIsCutWithAClearError(t *testing.T) {
	t.Parallel()
	h, fake := withFake(t)
	flood, err := sqlstore.Open(t.Context(), h.url, sqlstore.Options{})
	require.NoError(t, err)
	defer func() { _ = flood.Close() }()
	const events = 20_000
	require.NoError(t, flood.Update(t.Context(), func(_ context.Context, tx store.Tx) error {
		for range events {
			tx.Emit(domain.Event{Kind: domain.Updated, Entity: "metastore", Subject: domain.Ref{Type: domain.TypeMetastore}, Actor: "flood"})
		}
		return nil
	}))
	w := follow(t, h, admin(t), 0)
	fake.Await(waiters + 1) // the watcher has filled everything and waits for its patience to end
	quick := follow(t, h, admin(t), 0)
	for i := range events {
		require.EqualValues(t, i+1, next(t, quick).GetPosition(), "another watcher is not held up")
	}
	fake.Advance(31 * time.Second)
	last := int64(0)
	for {
		m, err := w.Recv()
		if err != nil {
			refused(t, err, fault.ResourceExhausted, "WATCHER_TOO_SLOW", "watch again after the last position received")
			break
		}
		require.Equal(t, last+1, m.GetEvent().GetPosition())
		last = m.GetEvent().GetPosition()
	}
	require.Less(t, last, int64(events))
	again := follow(t, h, admin(t), last)
	require.Equal(t, last+1, next(t, again).GetPosition(), "and nothing was lost")
}

func TestAWatcherThatLeavesIsForgotten(t *testing.T) {
	t.Parallel()
	h, fake := withFake(t)
	ctx, cancel := context.WithCancel(admin(t))
	w := follow(t, h, ctx, 0)
	next(t, w)
	fake.Await(waiters)
	cancel()
	_, err := w.Recv()
	require.False(t, errors.Is(err, io.EOF))
	refused(t, err, fault.Canceled, "")
	next(t, follow(t, h, admin(t), 0)) // the door still works, and the cleanup of the test waits for all streams
}
