package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

const writers = 16

// together runs writers at once, spread over three replicas, and returns their errors.
func together(t testing.TB, db Database, write func(s store.Store, writer int) error) error {
	t.Helper()
	replicas := []store.Store{db.Open(t), db.Open(t), db.Open(t)}
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[w] = write(replicas[w%len(replicas)], w)
		}()
	}
	wg.Wait()
	return errors.Join(errs...)
}

func numbering(t *testing.T, db Database) {
	s := db.Open(t)
	m := plant(t, s, domain.TypeModel, "main.demo.m")
	const each = 4
	var mu sync.Mutex
	var given []int64
	boom := errors.New("boom")
	require.NoError(t, together(t, db, func(s store.Store, _ int) error {
		for i := range each + 1 {
			var n int64
			err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) (err error) {
				if n, err = tx.NextVersion(ctx, m.ID, now); err != nil {
					return err
				}
				if i == each { // a number of a transaction that fails is given out again
					return boom
				}
				return tx.CreateModelVersion(ctx, domain.ModelVersion{ModelID: m.ID, Version: n, Status: domain.Pending, Format: "custom", CreateTime: now, UpdateTime: now})
			})
			switch {
			case i == each && errors.Is(err, boom):
				continue
			case err != nil:
				return err
			}
			mu.Lock()
			given = append(given, n)
			mu.Unlock()
		}
		return nil
	}))
	slices.Sort(given)
	for i, n := range given {
		require.EqualValues(t, i+1, n)
	}
	require.Len(t, given, writers*each)
	got, _ := find(t, s, m.Ref)
	require.EqualValues(t, writers*each, got.LatestVersion)
}

func aliasMoves(t *testing.T, db Database) {
	s := db.Open(t)
	m := plant(t, s, domain.TypeModel, "main.demo.m")
	const each = 8
	var mu sync.Mutex
	previous := map[string]int64{} // of each move, by its name
	require.NoError(t, together(t, db, func(s store.Store, w int) error {
		for i := range each {
			name, version := fmt.Sprintf("%d/%d", w, i), int64(w*each+i+1)
			var before int64
			if err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) (err error) {
				tx.Emit(domain.Event{Kind: domain.ModelAliasSet, Entity: domain.EntityType(m.Ref.Type), Subject: m.Ref, Version: version, Alias: "prod", Actor: name, Time: now})
				before, err = tx.SetAlias(ctx, m.ID, "prod", version, now)
				return err
			}); err != nil {
				return err
			}
			mu.Lock()
			previous[name] = before
			mu.Unlock()
		}
		return nil
	}))
	log, err := s.Events(t.Context(), 0, 1000)
	require.NoError(t, err)
	require.Len(t, log, writers*each)
	stands := int64(0)
	for i, e := range log {
		require.EqualValues(t, i+1, e.Position)
		require.Equal(t, stands, previous[e.Actor], "the events tell the moves in the order in which they happened")
		stands = e.Version
	}
	last, err := s.Alias(t.Context(), m, "prod")
	require.NoError(t, err)
	require.Equal(t, stands, last, "the last writer won")
}

// eventOrder follows the stream while many write, in the way a watcher does: what it has read is complete up to where it
// has read, at every moment.
func eventOrder(t *testing.T, db Database) {
	const each = 6
	reader := db.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	var followed []domain.Event
	var followErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		for after := int64(0); len(followed) < writers*each*2; {
			more, err := reader.Events(ctx, after, 7)
			if err != nil {
				followErr = err
				return
			}
			followed = append(followed, more...)
			if len(more) > 0 {
				after = more[len(more)-1].Position
			}
		}
	}()
	err := together(t, db, func(s store.Store, w int) error {
		for i := range each {
			if err := s.Update(t.Context(), func(_ context.Context, tx store.Tx) error {
				for half := range 2 {
					tx.Emit(domain.Event{Kind: domain.Updated, Entity: "catalog", Subject: domain.Ref{Type: domain.TypeCatalog, FullName: "c"}, Actor: fmt.Sprint(w), Version: int64(2*i + half), Time: now})
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		cancel()
	}
	<-done
	cancel()
	require.NoError(t, errors.Join(err, followErr))
	next := map[string]int64{}
	for i, e := range followed {
		require.EqualValues(t, i+1, e.Position)
		require.Equal(t, next[e.Actor], e.Version, "each writer's events are in its own order")
		next[e.Actor]++
		if e.Version%2 == 1 {
			require.Equal(t, followed[i-1].Actor, e.Actor, "the events of one transaction are neighbours")
		}
	}
}

func rollback(t *testing.T, db Database) {
	s := db.Open(t)
	boom := fault.New("test", fault.Invalid, "boom")
	err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		r := domain.Ref{Type: domain.TypeCatalog, FullName: "gone"}
		if err := tx.Create(ctx, domain.Securable{ID: "1", ParentID: domain.MetastoreID, Ref: r, CreateTime: now, UpdateTime: now}); err != nil {
			return err
		}
		tx.Emit(domain.Event{Kind: domain.Created, Entity: "catalog", Subject: r, Time: now})
		_, inside := find(t, tx, r)
		require.True(t, inside, "a transaction sees its own changes")
		return boom
	})
	require.ErrorIs(t, err, boom)
	_, ok := find(t, s, domain.Ref{Type: domain.TypeCatalog, FullName: "gone"})
	require.False(t, ok)
	position, err := s.Position(t.Context())
	require.NoError(t, err)
	require.Zero(t, position)
}

func canceled(t *testing.T, db Database) {
	s := db.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := tx.Create(ctx, domain.Securable{ID: "1", ParentID: domain.MetastoreID, Ref: domain.Ref{Type: domain.TypeCatalog, FullName: "c"}, CreateTime: now, UpdateTime: now}); err != nil {
			return err
		}
		cancel()
		return nil
	})
	requireKind(t, fault.Canceled, err)
	_, ok := find(t, s, domain.Ref{Type: domain.TypeCatalog, FullName: "c"})
	require.False(t, ok)
	requireKind(t, fault.Canceled, s.Update(ctx, func(context.Context, store.Tx) error { return nil }))
}

func readersAndWriters(t *testing.T, db Database) {
	s := db.Open(t)
	c := plant(t, s, domain.TypeCatalog, "c")
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		c.Comment = "new"
		if err := tx.Save(ctx, c); err != nil {
			return err
		}
		tx.Emit(domain.Event{Kind: domain.Updated, Entity: "catalog", Subject: c.Ref, Time: now})
		seen, _ := find(t, s, c.Ref) // past the transaction: it answers, and with what is committed
		require.Empty(t, seen.Comment)
		position, err := s.Position(t.Context())
		require.Zero(t, position)
		return err
	})
	seen, _ := find(t, s, c.Ref)
	require.Equal(t, "new", seen.Comment)
}

// replicas lets everything happen at once on different things, and looks at the sum.
func replicas(t *testing.T, db Database) {
	s := db.Open(t)
	plant(t, s, domain.TypeSchema, "main.demo")
	require.NoError(t, together(t, db, func(s store.Store, w int) error {
		r := domain.Ref{Type: domain.TypeModel, FullName: fmt.Sprintf("main.demo.m%02d", w/2)}
		err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
			found, err := tx.Find(ctx, r.Path())
			if err != nil {
				return err
			}
			id := fmt.Sprint("by ", w)
			tx.Emit(domain.Event{Kind: domain.Created, Entity: "model", Subject: r, Time: now})
			return tx.Create(ctx, domain.Securable{ID: id, ParentID: found[r.Path()[2]].ID, Ref: r, CreateTime: now, UpdateTime: now})
		})
		if fault.Is(err, fault.AlreadyExists) { // two of them want each name, one gets it
			return nil
		}
		return err
	}))
	models, err := s.List(t.Context(), domain.TypeModel, "", "", 100)
	require.NoError(t, err)
	require.Len(t, models, writers/2)
	position, err := s.Position(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, writers/2, position)
}
