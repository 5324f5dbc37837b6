package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

func roundTrip(t *testing.T, b *bench) {
	e := b.draft("chat", "models:/c.s.m/1", "models:/c.s.m@champion")
	want := *e
	got, err := b.Create(t.Context(), e)
	require.NoError(t, err)
	cut := cmp.Transformer("micros", func(x time.Time) int64 { return x.UnixMicro() })
	require.Empty(t, cmp.Diff(want, *got, cut))
	require.Equal(t, 123456000, got.CreateTime.Nanosecond())
	require.Equal(t, time.UTC, got.CreateTime.Location())
	byName, err := b.ByName(t.Context(), "chat")
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(got, byName))

	changed := b.answer(got.ID)
	require.Equal(t, domain.Ready, changed.Readiness())
	byID, err := b.ByID(t.Context(), got.ID)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(changed, byID), "what Change returns is what is stored")
}

func text(t *testing.T, b *bench) {
	e := b.draft("chat", "models:/c.s.m/1")
	e.Description = "line\nтекст 你好 🚢 'quote' \"double\" \\ %s $1 "
	e.Tags = map[string]string{"": "empty key", "ключ": "", "a'b": "{\"json\":null}"}
	got, err := b.Create(t.Context(), e)
	require.NoError(t, err)
	require.Equal(t, e.Description, got.Description)
	require.Equal(t, e.Tags, got.Tags)
	bare := b.draft("bare", "models:/c.s.m/1")
	bare.Tags = nil
	got, err = b.Create(t.Context(), bare)
	require.NoError(t, err)
	require.NotNil(t, got.Tags)
	require.Empty(t, got.Tags)
}

func names(t *testing.T, b *bench) {
	e := b.create("chat", "models:/c.s.m/1")
	b.create("Chat", "models:/c.s.m/1") // another name: case counts
	_, err := b.Create(t.Context(), b.draft("chat", "models:/c.s.m/1"))
	require.Equal(t, fault.AlreadyExists, fault.KindOf(err), "%v", err)
	b.delete(e.ID)
	_, err = b.ByName(t.Context(), "chat")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	_, err = b.Create(t.Context(), b.draft("chat", "models:/c.s.m/1"))
	require.Equal(t, fault.FailedPrecondition, fault.KindOf(err), "%v", err)
	b.carryOff(e.ID)
	require.NoError(t, b.Remove(t.Context(), e.ID))
	again := b.create("chat", "models:/c.s.m/1")
	require.NotEqual(t, e.ID, again.ID)
	require.EqualValues(t, 1, again.Pending.Number)
}

// carryOff unloads every instance of an endpoint.
func (b *bench) carryOff(id string) {
	b.t.Helper()
	b.change(id, func(e *domain.Endpoint) bool {
		for len(e.Instances) > 0 {
			e.Release(e.Instances[0].ID, b.stamp())
			require.True(b.t, e.Gone(e.Instances[0].ID))
		}
		return true
	})
}

func lists(t *testing.T, b *bench) {
	want := []string{"B", "_x", "a", "aa", "b", "ä", "я", "你"}
	for _, i := range []int{3, 7, 0, 5, 1, 6, 4, 2} {
		b.create(want[i], "models:/c.s.m/1")
	}
	gone := b.create("bb", "models:/c.s.m/1")
	b.delete(gone.ID)
	var got []string
	after := ""
	for {
		page, err := b.List(t.Context(), after, 3)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			got = append(got, e.Name)
			require.NotNil(t, e.Pending)
		}
		after = got[len(got)-1]
	}
	require.Equal(t, want, got)
}

func noTrace(t *testing.T, b *bench) {
	before := b.serving("chat", "models:/c.s.m/1")
	boom := errors.New("boom")
	_, err := b.Change(t.Context(), before.ID, "", func(e *domain.Endpoint) (bool, error) {
		e.Delete(b.stamp())
		return true, boom
	})
	require.ErrorIs(t, err, boom)
	_, err = b.Change(t.Context(), before.ID, "", func(e *domain.Endpoint) (bool, error) {
		e.Description = "other"
		return false, nil
	})
	require.NoError(t, err)
	after, err := b.ByID(t.Context(), before.ID)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(before, after))
	_, err = b.Change(t.Context(), "nobody", "", func(*domain.Endpoint) (bool, error) { return true, nil })
	require.Equal(t, fault.NotFound, fault.KindOf(err))
}

func guarded(t *testing.T, b *bench) {
	before := b.serving("chat", "models:/c.s.m/1")
	_, err := b.Change(t.Context(), before.ID, "", func(e *domain.Endpoint) (bool, error) {
		e.Instances = nil
		return true, nil
	})
	require.Equal(t, fault.Internal, fault.KindOf(err))
	after, err := b.ByID(t.Context(), before.ID)
	require.NoError(t, err)
	require.Len(t, after.Instances, 1)
}

func oneWins(t *testing.T, b *bench) {
	e := b.serving("chat", "models:/c.s.m/1")
	c, pins := config(t, "models:/c.s.m/2")
	var won, refused atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := b.Change(t.Context(), e.ID, "", func(e *domain.Endpoint) (bool, error) {
				return true, e.Propose(c, pins, "alice", b.stamp())
			})
			switch fault.KindOf(err) {
			case "":
				won.Add(1)
			case fault.FailedPrecondition:
				refused.Add(1)
			default:
				t.Errorf("unexpected: %v", err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, won.Load())
	require.EqualValues(t, 7, refused.Load())
	after, err := b.ByID(t.Context(), e.ID)
	require.NoError(t, err)
	require.EqualValues(t, 2, after.LastRevision)
}

func unsettled(t *testing.T, b *bench) {
	pending := b.create("pending", "models:/c.s.m/1")
	done := b.serving("done", "models:/c.s.m/1")
	b.change(done.ID, func(e *domain.Endpoint) bool {
		e.Registered, e.Active.Lineage = true, true
		return true
	})
	ids, err := b.Unsettled(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{pending.ID}, ids)
	b.change(done.ID, func(e *domain.Endpoint) bool { return e.Lost(e.Instances[0].ID, "gone", b.stamp()) })
	ids, err = b.Unsettled(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{pending.ID, done.ID}, ids)
	instances, err := b.Instances(t.Context())
	require.NoError(t, err)
	require.Len(t, instances, 2)
	require.Equal(t, domain.Recovering, instances[done.ID][0].State)
	require.Equal(t, "gone", instances[done.ID][0].Message)
}

func removal(t *testing.T, b *bench) {
	e := b.serving("chat", "models:/c.s.m/1")
	require.Equal(t, fault.FailedPrecondition, fault.KindOf(b.Remove(t.Context(), e.ID)))
	b.delete(e.ID)
	require.Equal(t, fault.FailedPrecondition, fault.KindOf(b.Remove(t.Context(), e.ID)), "an instance is left")
	b.carryOff(e.ID)
	require.NoError(t, b.Remove(t.Context(), e.ID))
	require.NoError(t, b.Remove(t.Context(), e.ID), "removing what is gone succeeds")
	_, err := b.ByID(t.Context(), e.ID)
	require.Equal(t, fault.NotFound, fault.KindOf(err))
}

func cascade(t *testing.T, b *bench) {
	e := b.serving("chat", "models:/c.s.m@champion")
	ok, err := b.Claim(t.Context(), e.ID, "me", Noon, Noon.Add(time.Minute))
	require.NoError(t, err)
	require.True(t, ok)
	b.delete(e.ID)
	b.carryOff(e.ID)
	require.NoError(t, b.Remove(t.Context(), e.ID))
	all, err := b.Revisions(t.Context(), e.ID, 0, 10)
	require.NoError(t, err)
	require.Empty(t, all)
	table, err := b.Table(t.Context())
	require.NoError(t, err)
	require.Empty(t, table.Routes)
	ids, err := b.Moved(t.Context(), 1, []string{"models:/c.s.m@champion"})
	require.NoError(t, err)
	require.Empty(t, ids)
	ok, err = b.Claim(t.Context(), e.ID, "me", Noon, Noon.Add(time.Minute))
	require.NoError(t, err)
	require.False(t, ok, "nobody can act on what is gone")
}

func missing(t *testing.T, b *bench) {
	_, err := b.ByName(t.Context(), "nobody")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	require.Contains(t, fault.Text(err), `"nobody"`)
	_, err = b.ByID(t.Context(), "nobody")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	_, err = b.Template(t.Context(), "nothing")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	require.NoError(t, b.Leave(t.Context(), "nobody", "s"))
	require.NoError(t, b.Release(t.Context(), "nobody", "me"))
	require.NoError(t, b.Ping(t.Context()))
}
