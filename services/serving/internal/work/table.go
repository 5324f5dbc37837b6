package work

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// TableStore is where the routing table is kept.
type TableStore interface {
	Table(ctx context.Context) (domain.RouteTable, error)
	TableRevision(ctx context.Context) (int64, error)
}

// Table is the routing table in memory, never older than the poll. It also remembers, for a while, the tables it has
// replaced: a gateway may ask for a prompt by a table that it is just about to replace itself.
type Table struct {
	store TableStore
	clock clock.Clock
	log   *slog.Logger
	poll  time.Duration // how long a change by another replica may go unnoticed
	keep  time.Duration // how long a replaced table is remembered
	kick  chan struct{}

	mu      sync.Mutex
	current domain.RouteTable
	index   map[routeKey]domain.EntityRoute
	prior   []priorTable // oldest first
	next    chan struct{}
}

type routeKey struct{ endpoint, entity string }

type priorTable struct {
	index map[routeKey]domain.EntityRoute
	until time.Time
}

// NewTable is an empty table; Load fills it.
func NewTable(s TableStore, c clock.Clock, log *slog.Logger, poll, keep time.Duration) *Table {
	return &Table{store: s, clock: c, log: log, poll: poll, keep: keep, kick: make(chan struct{}, 1), next: make(chan struct{})}
}

// Kick has the table look at the store now.
func (t *Table) Kick() {
	select {
	case t.kick <- struct{}{}:
	default: // it is about to look anyway
	}
}

// Run keeps the table fresh until ctx ends.
func (t *Table) Run(ctx context.Context) error {
	tick := t.clock.NewTicker(t.poll)
	defer tick.Stop()
	for {
		if err := t.Load(ctx); err != nil && ctx.Err() == nil {
			t.log.WarnContext(ctx, "routing table not read", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.kick:
		case <-tick.C():
		}
	}
}

// Load reads the table if it has changed.
func (t *Table) Load(ctx context.Context) error {
	revision, err := t.store.TableRevision(ctx)
	if err != nil {
		return err
	}
	t.mu.Lock()
	fresh := t.index != nil && t.current.Revision == revision
	t.mu.Unlock()
	if fresh {
		return nil
	}
	table, err := t.store.Table(ctx)
	if err != nil {
		return err
	}
	t.replace(table)
	return nil
}

func (t *Table) replace(table domain.RouteTable) {
	index := map[routeKey]domain.EntityRoute{}
	for _, r := range table.Routes {
		for _, e := range r.Entities {
			index[routeKey{r.Name, e.Name}] = e
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	for len(t.prior) > 0 && !now.Before(t.prior[0].until) {
		t.prior = t.prior[1:]
	}
	if t.index != nil {
		t.prior = append(t.prior, priorTable{index: t.index, until: now.Add(t.keep)})
	}
	t.current, t.index = table, index
	close(t.next)
	t.next = make(chan struct{})
}

// Current is the table and a channel that is closed when there is another. It is not ok before the first was read.
func (t *Table) Current() (table domain.RouteTable, next <-chan struct{}, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current, t.next, t.index != nil
}

// Find is a served entity in the table, or else in the last replaced one that had it and is not forgotten.
func (t *Table) Find(endpoint, entity string) (domain.EntityRoute, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := routeKey{endpoint, entity}
	if e, ok := t.index[key]; ok {
		return e, true
	}
	now := t.clock.Now()
	for i := len(t.prior) - 1; i >= 0 && now.Before(t.prior[i].until); i-- {
		if e, ok := t.prior[i].index[key]; ok {
			return e, true
		}
	}
	return domain.EntityRoute{}, false
}
