package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

func rootIsThere(t *testing.T, db Database) {
	s := db.Open(t)
	root, ok := find(t, s, domain.Ref{Type: domain.TypeMetastore})
	require.True(t, ok)
	require.Equal(t, domain.MetastoreID, root.ID)
	require.Equal(t, "admins", root.Owner)
	require.Empty(t, root.ParentID)
	requireKind(t, fault.NotFound, s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.Delete(ctx, root.ID) }))
	require.NoError(t, s.Ping(t.Context()))
}

func securables(t *testing.T, db Database) {
	s := db.Open(t)
	schema := plant(t, s, domain.TypeSchema, "main.demo")
	got, ok := find(t, s, schema.Ref)
	require.True(t, ok)
	schema.CreateTime, schema.UpdateTime = micro(schema.CreateTime), micro(schema.UpdateTime)
	require.Empty(t, cmp.Diff(schema, got))

	err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		again := schema
		again.ID = "another"
		return tx.Create(ctx, again)
	})
	requireKind(t, fault.AlreadyExists, err)
	require.Equal(t, "schema main.demo already exists", fault.Text(err))

	later := micro(now.AddDate(0, 0, 1))
	schema.Comment, schema.Owner, schema.UpdateTime = "words", "somebody else", later
	update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.Save(ctx, schema) })
	got, _ = find(t, s, schema.Ref)
	require.Empty(t, cmp.Diff(schema, got))

	update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.Delete(ctx, schema.ID) })
	_, ok = find(t, s, schema.Ref)
	require.False(t, ok)
	requireKind(t, fault.NotFound, s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.Delete(ctx, schema.ID) }))
	requireKind(t, fault.NotFound, s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.Save(ctx, schema) }))

	// A model and a prompt of the same name are two things.
	plant(t, s, domain.TypeModel, "main.demo.same")
	plant(t, s, domain.TypePrompt, "main.demo.same")
}

func notEmpty(t *testing.T, db Database) {
	s := db.Open(t)
	plant(t, s, domain.TypeModel, "main.demo.chat")
	for _, r := range []domain.Ref{ref(t, domain.TypeCatalog, "main"), ref(t, domain.TypeSchema, "main.demo")} {
		parent, _ := find(t, s, r)
		err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.Delete(ctx, parent.ID) })
		requireKind(t, fault.FailedPrecondition, err)
		require.Equal(t, "NOT_EMPTY", fault.Reason(err))
	}
}

func collation(t *testing.T, db Database) {
	s := db.Open(t)
	names := []string{"-dash", "0", "9", "B", "Z", "_x", "a", "aa", "a-b", "a_b", "b", "zz", "Ä", "ä", "é", "ñ", "Ω", "я", "日本", "한국", "𠀀"}
	shuffled := slices.Clone(names)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for _, n := range shuffled {
		plant(t, s, domain.TypeCatalog, n)
	}
	slices.Sort(names) // Go compares bytes
	var got []string
	for after := ""; ; {
		page, err := s.List(t.Context(), domain.TypeCatalog, "", after, 4)
		require.NoError(t, err)
		for _, c := range page {
			got = append(got, c.Ref.FullName)
		}
		if len(page) < 4 {
			break
		}
		after = got[len(got)-1]
	}
	require.Equal(t, names, got)
	_, ok := find(t, s, ref(t, domain.TypeCatalog, "AA"))
	require.False(t, ok, "AA is not aa")
}

func paging(t *testing.T, db Database) {
	s := db.Open(t)
	schema := plant(t, s, domain.TypeSchema, "main.demo")
	other := plant(t, s, domain.TypeModel, "main.other.m05")
	for i := range 20 {
		plant(t, s, domain.TypeModel, fmt.Sprintf("main.demo.m%02d", i))
	}
	seen := map[string]int{}
	for after, round := "", 0; ; round++ {
		page, err := s.List(t.Context(), domain.TypeModel, schema.ID, after, 3)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, m := range page {
			seen[m.Ref.FullName]++
			after = m.Ref.FullName
		}
		// Between two pages: one comes before the place, for a while one behind it, and the last one shown goes.
		plant(t, s, domain.TypeModel, fmt.Sprintf("main.demo.a%02d", round))
		if round < 4 {
			plant(t, s, domain.TypeModel, fmt.Sprintf("main.demo.z%02d", round))
		}
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.Delete(ctx, "id of model "+after) })
		require.Less(t, round, 50)
	}
	for i := range 20 {
		require.Equal(t, 1, seen[fmt.Sprintf("main.demo.m%02d", i)])
	}
	require.Equal(t, 1, seen["main.demo.z03"], "what comes behind the place is still shown")
	require.Zero(t, seen["main.demo.a00"])
	for name, n := range seen {
		require.Equal(t, 1, n, name)
	}
	require.Zero(t, seen[other.Ref.FullName])
	all, err := s.List(t.Context(), domain.TypeModel, "", "main.other", 10)
	require.NoError(t, err)
	require.Len(t, all, 1, "without a parent the list spans schemas")
}

func manyNames(t *testing.T, db Database) {
	s := db.Open(t)
	plant(t, s, domain.TypeCatalog, "c7")
	plant(t, s, domain.TypeEndpoint, "c7")
	refs := make([]domain.Ref, 0, 5000)
	for i := range 2500 {
		refs = append(refs, ref(t, domain.TypeCatalog, fmt.Sprint("c", i)), ref(t, domain.TypeEndpoint, fmt.Sprint("c", i)))
	}
	found, err := s.Find(t.Context(), refs)
	require.NoError(t, err)
	require.Len(t, found, 2)
	none, err := s.Find(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

func times(t *testing.T, db Database) {
	s := db.Open(t)
	c := plant(t, s, domain.TypeCatalog, "main")
	got, _ := find(t, s, c.Ref)
	require.Equal(t, 123456000, got.CreateTime.Nanosecond())
	require.True(t, got.CreateTime.Equal(micro(now)))
	require.Equal(t, "UTC", got.CreateTime.Location().String())
}

func lines(t *testing.T, db Database) {
	s := db.Open(t)
	a, b := plant(t, s, domain.TypeModel, "main.demo.a"), plant(t, s, domain.TypePrompt, "main.demo.b")
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		if err := tx.SetTags(ctx, a.ID, 0, map[string]string{"team": "search", "empty": ""}, nil); err != nil {
			return err
		}
		if err := tx.SetTags(ctx, a.ID, 3, map[string]string{"of": "a version"}, nil); err != nil {
			return err
		}
		_, err := tx.SetAlias(ctx, b.ID, "prod", 2, now)
		return err
	})
	got, err := s.Lines(t.Context(), []domain.Securable{b, a})
	require.NoError(t, err)
	require.Equal(t, []map[string]string{{}, {"team": "search", "empty": ""}}, []map[string]string{got[0].Tags, got[1].Tags})
	require.Equal(t, []map[string]int64{{"prod": 2}, {}}, []map[string]int64{got[0].Aliases, got[1].Aliases})
	require.Equal(t, b.Ref, got[0].Ref)
}

func tags(t *testing.T, db Database) {
	s := db.Open(t)
	m := plant(t, s, domain.TypeModel, "main.demo.m")
	set := func(set map[string]string, remove ...string) map[string]string {
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SetTags(ctx, m.ID, 0, set, remove) })
		got, err := s.Lines(t.Context(), []domain.Securable{m})
		require.NoError(t, err)
		return got[0].Tags
	}
	require.Equal(t, map[string]string{"a": "1", "b": "2"}, set(map[string]string{"a": "1", "b": "2"}))
	require.Equal(t, map[string]string{"a": "3", "A": "4"}, set(map[string]string{"a": "3", "A": "4"}, "b", "never was"))
}
