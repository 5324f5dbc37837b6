package work_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
	"github.com/slipway-ai/slipway/services/serving/internal/work"
)

// page is a store with one table.
type page struct {
	mu    sync.Mutex
	table domain.RouteTable
	reads int
	err   error
}

func (p *page) write(entities ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := domain.Route{Name: "chat"}
	for _, e := range entities {
		r.Entities = append(r.Entities, domain.EntityRoute{Name: e})
	}
	p.table = domain.RouteTable{Revision: p.table.Revision + 1, Routes: []domain.Route{r}}
}

func (p *page) Table(context.Context) (domain.RouteTable, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	return p.table, p.err
}

func (p *page) TableRevision(context.Context) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.table.Revision, p.err
}

func TestTheTableIsReadWhenItHasChangedAndRemembersTheOneBeforeForAWhile(t *testing.T) {
	t.Parallel()
	p, fake := &page{}, clock.NewFake(noon)
	table := work.NewTable(p, fake, slog.New(slog.DiscardHandler), time.Second, time.Minute)
	_, _, ok := table.Current()
	require.False(t, ok)
	p.write("one")
	require.NoError(t, table.Load(t.Context()))
	require.NoError(t, table.Load(t.Context()))
	require.Equal(t, 1, p.reads)
	_, next, ok := table.Current()
	require.True(t, ok)

	p.write("two")
	require.NoError(t, table.Load(t.Context()))
	<-next
	found := func(entity string) bool {
		_, ok := table.Find("chat", entity)
		return ok
	}
	require.True(t, found("two"))
	require.True(t, found("one"), "the table before is remembered")
	require.False(t, found("three"))
	fake.Advance(time.Minute)
	require.False(t, found("one"))
	require.True(t, found("two"))

	p.err = errors.New("away")
	require.Error(t, table.Load(t.Context()))
	require.True(t, found("two"), "a store that is away costs nothing that is known")
}

func TestTheTableIsReadAtAKickAndAtEveryPoll(t *testing.T) {
	t.Parallel()
	p, fake := &page{}, clock.NewFake(noon)
	table := work.NewTable(p, fake, slog.New(slog.DiscardHandler), time.Second, time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	p.write("one")
	require.NoError(t, table.Load(ctx))
	go func() { done <- table.Run(ctx) }()
	fake.Await(1)
	changed := func(cause func()) {
		t.Helper()
		_, next, _ := table.Current()
		p.write("more")
		cause()
		<-next
	}
	changed(table.Kick)
	changed(func() { fake.Advance(time.Second) })
	cancel()
	require.NoError(t, <-done)
}
