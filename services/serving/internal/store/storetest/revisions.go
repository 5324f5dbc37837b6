package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

func immutable(t *testing.T, b *bench) {
	e := b.serving("chat", "models:/c.s.m/1")
	b.change(e.ID, func(e *domain.Endpoint) bool {
		e.Active.Config.Entities[0].Model = &domain.Model{Reference: "models:/c.s.m/1", Parallel: 9}
		e.Active.Creator = "mallory"
		e.Active.Lineage = true
		e.Instances[0].Key.Parallel = 9 // so that the endpoint agrees with itself
		return true
	})
	stored, err := b.Revisions(t.Context(), e.ID, 0, 10)
	require.NoError(t, err)
	require.EqualValues(t, 0, stored[0].Config.Entities[0].Model.Parallel)
	require.Equal(t, "alice", stored[0].Creator)
	require.True(t, stored[0].Lineage)
}

func revisions(t *testing.T, b *bench) {
	e := b.serving("chat", "models:/c.s.m/1")
	b.propose(e.ID, "models:/c.s.m/2")
	b.change(e.ID, func(e *domain.Endpoint) bool {
		return e.FailUpdate(2, map[string]string{"e0": "no such file"}, b.stamp())
	})
	b.propose(e.ID, "models:/c.s.m/1", "models:/c.s.m/1") // the same instance: swaps at once
	page, err := b.Revisions(t.Context(), e.ID, 0, 2)
	require.NoError(t, err)
	require.Len(t, page, 2)
	require.EqualValues(t, 3, page[0].Number)
	require.Equal(t, domain.DeploymentReady, page[0].States[1].Deployment)
	require.EqualValues(t, 2, page[1].Number)
	require.Equal(t, domain.EntityState{Deployment: domain.DeploymentFailed, Message: "no such file"}, page[1].States[0])
	page, err = b.Revisions(t.Context(), e.ID, 2, 2)
	require.NoError(t, err)
	require.Len(t, page, 1)
	require.EqualValues(t, 1, page[0].Number)
	require.Equal(t, domain.DeploymentReady, page[0].States[0].Deployment, "as it was when it was superseded")
	page, err = b.Revisions(t.Context(), e.ID, 1, 2)
	require.NoError(t, err)
	require.Empty(t, page)
}

func templates(t *testing.T, b *bench) {
	one := domain.Template{Text: "Hi {{name}} 'x' 🚢", Syntax: domain.DoubleBrace, Parameters: map[string]string{"temperature": "0.10"}}
	two := domain.Template{Messages: []domain.Message{{Role: "system", Content: "{a}"}}, Syntax: domain.SingleBrace}
	require.NotEqual(t, one.Digest(), two.Digest())
	e, err := b.Create(t.Context(), b.draft("chat", "models:/c.s.m/1"), one)
	require.NoError(t, err)
	_, err = b.Change(t.Context(), e.ID, "", func(*domain.Endpoint) (bool, error) { return true, nil }, one, two)
	require.NoError(t, err)
	for _, want := range []domain.Template{one, two} {
		got, err := b.Template(t.Context(), want.Digest())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func moved(t *testing.T, b *bench) {
	follows := b.serving("follows", "models:/c.s.m@champion")
	both := b.serving("both", "models:/c.s.m@champion", "models:/c.s.n@live")
	b.serving("fixed", "models:/c.s.m/1")
	left := b.serving("left", "models:/c.s.m@champion")
	b.propose(left.ID, "models:/c.s.m/1") // the same version by number: swaps at once and follows no more
	pends := b.serving("pends", "models:/c.s.m/1")
	b.propose(pends.ID, "models:/c.s.n@live")

	ids, err := b.Moved(t.Context(), 7, []string{"models:/c.s.m@champion"})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{follows.ID, both.ID}, ids)
	ids, err = b.Moved(t.Context(), 8, []string{"models:/c.s.n@live", "models:/c.s.m@other"})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{both.ID, pends.ID}, ids)
	e, err := b.ByID(t.Context(), both.ID)
	require.NoError(t, err)
	require.Equal(t, both.FollowWanted+2, e.FollowWanted)
	require.True(t, e.Stale())
}

func position(t *testing.T, b *bench) {
	at := func(want int64) {
		t.Helper()
		got, err := b.Position(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	at(0)
	for _, p := range []int64{3, 9, 4} {
		_, err := b.Moved(t.Context(), p, nil)
		require.NoError(t, err)
	}
	at(9)
}
