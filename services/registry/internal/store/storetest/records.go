package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

func events(t *testing.T, db Database) {
	s := db.Open(t)
	want := []domain.Event{
		{Position: 1, Kind: domain.Created, Entity: "metastore", Subject: domain.Ref{Type: domain.TypeMetastore}, Actor: "ada", Time: micro(now)},
		{Position: 2, Kind: domain.ModelAliasSet, Entity: domain.EntityModelVersion, Subject: domain.Ref{Type: domain.TypeModel, FullName: "a.b.ç"}, Version: 7, Alias: "prod", Actor: "ada", Time: micro(now)},
	}
	update(t, s, func(_ context.Context, tx store.Tx) error {
		for _, e := range want {
			e.Time = now
			tx.Emit(e)
		}
		return nil
	})
	got, err := s.Events(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got))
	got, err = s.Events(t.Context(), 1, 10)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want[1:], got))
	got, err = s.Events(t.Context(), 2, 10)
	require.NoError(t, err)
	require.Empty(t, got)
}

func grants(t *testing.T, db Database) {
	s := db.Open(t)
	a, b := plant(t, s, domain.TypeCatalog, "a"), plant(t, s, domain.TypeCatalog, "b")
	add := func(id, principal string, p domain.Privilege) (added bool) {
		update(t, s, func(ctx context.Context, tx store.Tx) (err error) {
			added, err = tx.AddGrant(ctx, domain.Grant{SecurableID: id, Principal: principal, Privilege: p, Grantor: "ada", CreateTime: now})
			return err
		})
		return added
	}
	require.True(t, add(a.ID, "eve", domain.UseCatalog))
	require.False(t, add(a.ID, "eve", domain.UseCatalog))
	require.True(t, add(a.ID, "Eve", domain.UseCatalog), "case tells principals apart")
	require.True(t, add(b.ID, "eve", domain.Manage))
	require.True(t, add(b.ID, "eve", domain.Execute))

	all, err := s.Grants(t.Context(), []string{b.ID, a.ID})
	require.NoError(t, err)
	want := domain.Grant{SecurableID: a.ID, Securable: a.Ref, Principal: "Eve", Privilege: domain.UseCatalog, Grantor: "ada", CreateTime: micro(now)}
	require.Empty(t, cmp.Diff(want, all[0]))
	var order []string
	for _, g := range all {
		order = append(order, g.Principal+" "+string(g.Privilege))
	}
	require.Equal(t, []string{"Eve USE_CATALOG", "eve EXECUTE", "eve MANAGE", "eve USE_CATALOG"}, order)

	held, err := s.Held(t.Context(), []string{"eve", "nobody"}, []string{a.ID})
	require.NoError(t, err)
	require.Len(t, held, 1)
	for _, none := range [][2][]string{{{"eve"}, nil}, {{"nobody"}, {a.ID}}} {
		held, err = s.Held(t.Context(), none[0], none[1])
		require.NoError(t, err)
		require.Empty(t, held)
	}
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		removed, err := tx.RemoveGrant(ctx, a.ID, "eve", domain.UseCatalog)
		require.True(t, removed)
		if err != nil {
			return err
		}
		removed, err = tx.RemoveGrant(ctx, a.ID, "eve", domain.UseCatalog)
		require.False(t, removed)
		return err
	})
}

func addEdges(t testing.TB, s store.Store, edges ...domain.Edge) {
	t.Helper()
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		for _, e := range edges {
			if err := tx.AddEdge(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

func edges(t *testing.T, db Database) {
	s := db.Open(t)
	first := domain.Edge{Upstream: "table:/t", Downstream: "models:/a.b.c/1", Relation: domain.TrainedOn, CreateTime: micro(now), Creator: "ada"}
	second := domain.Edge{Upstream: "models:/a.b.c/1", Downstream: "endpoints:/e", Relation: domain.Serves, CreateTime: micro(now.Add(time.Second)), Creator: "ada"}
	addEdges(t, s, first, second)
	again := first
	again.Creator, again.CreateTime = "eve", now.AddDate(1, 0, 0)
	addEdges(t, s, again)

	got, err := s.Edges(t.Context(), []string{"models:/a.b.c/1"}, 10)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff([]domain.Edge{first, second}, got), "found from both ends, and kept as first recorded")
	got, err = s.Edges(t.Context(), []string{"models:/a.b.c/1", "endpoints:/e"}, 1)
	require.NoError(t, err)
	require.Len(t, got, 1)
	got, err = s.Edges(t.Context(), nil, 10)
	require.NoError(t, err)
	require.Empty(t, got)
	got, err = s.EdgesFrom(t.Context(), domain.Ref{Type: domain.TypeModel, FullName: "a.b.c"}, domain.Serves, 10)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff([]domain.Edge{second}, got))

	update(t, s, func(ctx context.Context, tx store.Tx) error {
		return tx.DeleteEdges(ctx, domain.Ref{Type: domain.TypeEndpoint, FullName: "e"})
	})
	got, err = s.EdgesFrom(t.Context(), domain.Ref{Type: domain.TypeModel, FullName: "a.b.c"}, domain.Serves, 10)
	require.NoError(t, err)
	require.Empty(t, got)
}

func edgeNeighbours(t *testing.T, db Database) {
	s := db.Open(t)
	gone := domain.Ref{Type: domain.TypeModel, FullName: "a.b.m_"}
	up := func(name string) domain.Edge {
		return domain.Edge{Upstream: domain.VersionURI(domain.Ref{Type: domain.TypeModel, FullName: name}, 1), Downstream: "run:/1", Relation: domain.DerivedFrom, CreateTime: now}
	}
	down := up("a.b.m_")
	down.Upstream, down.Downstream = "run:/2", down.Upstream
	prompt := domain.Edge{Upstream: "prompts:/a.b.m_/1", Downstream: "endpoints:/e", Relation: domain.Renders, CreateTime: now}
	addEdges(t, s, up("a.b.m_"), down, prompt, up("a.b.m"), up("a.b.mx"), up("a.b.m_0"), up("a.b.m_x"), up("a.b.m-"), up("A.b.m_"))
	update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteEdges(ctx, gone) })
	left, err := s.Edges(t.Context(), []string{"run:/1", "run:/2", "endpoints:/e"}, 100)
	require.NoError(t, err)
	require.Len(t, left, 7)
	for _, e := range left {
		require.NotContains(t, []string{e.Upstream, e.Downstream}, "models:/a.b.m_/1")
	}
}

func pinning(t *testing.T, db Database) {
	s := db.Open(t)
	m := plant(t, s, domain.TypeModel, "main.demo.m")
	v := newVersion(t, s, m)
	put := func(f domain.ArtifactFile) error {
		return s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.PutFile(ctx, m.ID, v.Version, f) })
	}
	requireKind(t, fault.FailedPrecondition, put(domain.ArtifactFile{Path: "x", Size: 1, SHA256: digest(99)}))
	requireKind(t, fault.FailedPrecondition, put(domain.ArtifactFile{Path: "x", Size: 4, SHA256: digest(5)}))
	require.NoError(t, put(domain.ArtifactFile{Path: "x", Size: 5, SHA256: digest(5)}))
}

func condemning(t *testing.T, db Database) {
	s := db.Open(t)
	m := plant(t, s, domain.TypeModel, "main.demo.m")
	newVersion(t, s, m) // refers to 5 and 6
	later := now.Add(time.Hour)
	pin := func(n int, at time.Time) error {
		return s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.Pin(ctx, digest(n), int64(n), at) })
	}
	condemn := func(n int, before, at time.Time) (ok bool) {
		update(t, s, func(ctx context.Context, tx store.Tx) (err error) {
			ok, err = tx.Condemn(ctx, digest(n), before, at)
			return err
		})
		return ok
	}
	unused := func(before time.Time) []string {
		list, err := s.Unused(t.Context(), before, 10)
		require.NoError(t, err)
		return list
	}
	require.NoError(t, pin(7, now))
	require.NoError(t, pin(8, later))
	known, err := s.Known(t.Context(), []string{digest(5), digest(7), digest(99)})
	require.NoError(t, err)
	require.Equal(t, map[string]bool{digest(5): true, digest(7): true}, known)
	require.Equal(t, []string{digest(7)}, unused(later), "5 and 6 are referred to, 8 is too young")

	require.False(t, condemn(5, later.Add(time.Hour), later), "a file refers to it")
	require.False(t, condemn(8, later, later), "just pinned")
	require.True(t, condemn(7, later, later))
	requireKind(t, fault.Aborted, pin(7, later))
	require.False(t, condemn(7, later, later), "another has just condemned it")
	require.True(t, condemn(7, later.Add(time.Minute), later), "whoever condemned it did not come back")
	require.True(t, condemn(9, later, later), "an unknown content is recorded as condemned")
	requireKind(t, fault.Aborted, pin(9, later))
	require.Equal(t, []string{digest(7), digest(8), digest(9)}, unused(later.Add(time.Second)), "8 is old enough now; 7 and 9 were condemned and never forgotten")

	update(t, s, func(ctx context.Context, tx store.Tx) error {
		for _, n := range []int{7, 8, 9} {
			if err := tx.Forget(ctx, digest(n)); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, pin(7, later), "forgotten, and so free again")
	require.Equal(t, []string{digest(7), digest(8)}, unused(later.Add(time.Second)), "8 was not condemned and stays")
}
