package storetest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

func tableRevision(t *testing.T, b *bench) {
	require.EqualValues(t, 0, b.tableRevision())
	e := b.create("chat", "models:/c.s.m/1")
	require.EqualValues(t, 0, b.tableRevision(), "nothing answers yet")
	b.answer(e.ID)
	require.EqualValues(t, 1, b.tableRevision())
	b.change(e.ID, func(e *domain.Endpoint) bool { return e.Lost(e.Instances[0].ID, "restarts", b.stamp()) })
	require.EqualValues(t, 1, b.tableRevision(), "a recovering instance keeps its place")
	b.answer(e.ID)
	b.change(e.ID, func(e *domain.Endpoint) bool { e.Registered = true; return true })
	require.EqualValues(t, 1, b.tableRevision())
	b.propose(e.ID, "models:/c.s.m/2")
	require.EqualValues(t, 1, b.tableRevision(), "the old one still serves")
	b.answer(e.ID)
	require.EqualValues(t, 2, b.tableRevision())
	table, err := b.Table(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, table.Revision)
	require.Len(t, table.Routes, 1)
	require.Equal(t, "models:/c.s.m/2", table.Routes[0].Entities[0].Model.String())
	b.delete(e.ID)
	table, err = b.Table(t.Context())
	require.NoError(t, err)
	require.Equal(t, domain.RouteTable{Revision: 3}, table)
}

func manySwaps(t *testing.T, b *bench) {
	const n = 6
	var wg sync.WaitGroup
	for i := range n {
		e := b.create(fmt.Sprintf("e%d", i), "models:/c.s.m/1")
		wg.Go(func() { b.answer(e.ID) })
	}
	wg.Wait()
	table, err := b.Table(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, n, table.Revision)
	require.Len(t, table.Routes, n)
	for i, r := range table.Routes {
		require.Equal(t, fmt.Sprintf("e%d", i), r.Name, "by name")
	}
}

// wholeTable swaps two endpoints in step, always through one change each, and watches that the table's revision tells
// exactly which of the swaps it contains.
func wholeTable(t *testing.T, b *bench) {
	e := b.serving("chat", "models:/c.s.m/1", "models:/c.s.m/2")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 30 {
			first, second := int32(i%100), int32(100-i%100)
			_, err := b.Change(t.Context(), e.ID, "", func(e *domain.Endpoint) (bool, error) {
				c, pins := e.Active.Config, e.Active.Pins
				c.Routes = []domain.Traffic{{Entity: "e0", Percent: first}, {Entity: "e1", Percent: second}}
				return true, e.Propose(c, pins, "alice", b.stamp())
			})
			if err != nil {
				t.Error(err)
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		table, err := b.Table(t.Context())
		require.NoError(t, err)
		require.Len(t, table.Routes, 1)
		r := table.Routes[0]
		require.Equal(t, table.Revision, r.Revision, "one change, one revision of each")
		require.EqualValues(t, 100, r.Entities[0].Percent+r.Entities[1].Percent)
	}
	require.EqualValues(t, 31, b.tableRevision())
}

func stamped(t *testing.T, b *bench) {
	b.serving("other", "models:/c.s.m/1")
	e := b.serving("chat", "models:/c.s.m/1")
	require.EqualValues(t, 2, b.tableRevision())
	b.propose(e.ID, "models:/c.s.m/2")
	e = b.answer(e.ID)
	require.Equal(t, domain.Retired, e.Instances[0].State)
	require.EqualValues(t, 3, e.Instances[0].RetiredRevision)
	e = b.propose(e.ID, "models:/c.s.m/3")
	e = b.change(e.ID, func(e *domain.Endpoint) bool {
		require.NoError(t, e.CancelUpdate("alice", b.stamp()))
		return true
	})
	require.Equal(t, domain.Retired, e.Instances[2].State)
	require.EqualValues(t, 3, e.Instances[2].RetiredRevision, "the table has not changed, and does not name it")
	stored, err := b.ByID(t.Context(), e.ID)
	require.NoError(t, err)
	require.EqualValues(t, 3, stored.Instances[0].RetiredRevision)
}
