// Package storetest is the suite that every implementation of the store passes. A backend's own test file says how to
// make a fresh database and calls Run; what the contract promises is proved here, once.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// Database is one fresh database of a backend.
type Database interface {
	// Open opens a store on it. Called again, it is another replica on the same database.
	Open(t testing.TB) store.Store
	// Raw runs statements past the store, as an operator with a console would.
	Raw(t testing.TB) sqlkit.Querier
}

// Run proves the contract on databases that fresh makes.
func Run(t *testing.T, fresh func(t testing.TB) Database) {
	for name, test := range map[string]func(t *testing.T, db Database){
		"the metastore is there from the beginning":                  rootIsThere,
		"securables are created, found, saved and deleted":           securables,
		"a thing with children is not deleted":                       notEmpty,
		"names are ordered by bytes and case tells them apart":       collation,
		"pages neither repeat nor hide rows under changes":           paging,
		"finding more names than one statement holds":                manyNames,
		"times keep microseconds":                                    times,
		"the empty text is not null":                                 emptyTexts,
		"lines carry aliases and tags":                               lines,
		"tags are set, replaced and removed":                         tags,
		"a model version keeps its files and facts":                  modelVersions,
		"versions are listed newest first":                           versionPages,
		"a version that left PENDING_UPLOAD does not change":         immutableModelVersion,
		"nobody changes an immutable version by hand":                immutableByHand,
		"a line goes with its immutable versions":                    lineGoesWhole,
		"a prompt version comes back as it was written":              promptVersions,
		"numbers are given out without gaps and doubles":             numbering,
		"a moved alias tells where it was":                           aliasMoves,
		"aliases are found and removed":                              aliases,
		"what failed leaves nothing":                                 rollback,
		"events are in the order of commits and without gaps":        eventOrder,
		"events come back as they were emitted":                      events,
		"grants are kept once and found by principal and securable":  grants,
		"edges are kept once and found from both ends":               edges,
		"removing a line's edges leaves its neighbours alone":        edgeNeighbours,
		"a content is pinned before a file refers to it":             pinning,
		"a content is condemned only while nobody needs it":          condemning,
		"a canceled change changes nothing":                          canceled,
		"a reader does not wait for a writer nor see its half":       readersAndWriters,
		"an alias and a version that are missing are NotFound":       missing,
		"changes from several replicas at once all happen and agree": replicas,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

// now is a time with digits that a store must cut.
var now = time.Date(2026, 2, 28, 23, 59, 59, 123456789, time.UTC)

func micro(t time.Time) time.Time { return t.Truncate(time.Microsecond) }

func update(t testing.TB, s store.Store, fn func(ctx context.Context, tx store.Tx) error) {
	t.Helper()
	require.NoError(t, s.Update(context.WithoutCancel(t.Context()), fn))
}

func ref(t testing.TB, typ domain.SecurableType, name string) domain.Ref {
	t.Helper()
	r, err := domain.ParseRef(typ, name)
	require.NoError(t, err)
	return r
}

// plant creates a securable with everything above it, and returns it.
func plant(t testing.TB, s store.Store, typ domain.SecurableType, name string) domain.Securable {
	t.Helper()
	var last domain.Securable
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		path := ref(t, typ, name).Path()
		found, err := tx.Find(ctx, path)
		if err != nil {
			return err
		}
		last = found[path[0]]
		for _, r := range path[1:] {
			next, ok := found[r]
			if !ok {
				next = domain.Securable{ID: "id of " + r.String(), ParentID: last.ID, Ref: r, Owner: "owner", CreateTime: now, UpdateTime: now}
				if err := tx.Create(ctx, next); err != nil {
					return err
				}
			}
			last = next
		}
		return nil
	})
	return last
}

func find(t testing.TB, r store.Reader, rf domain.Ref) (domain.Securable, bool) {
	t.Helper()
	found, err := r.Find(t.Context(), []domain.Ref{rf})
	require.NoError(t, err)
	s, ok := found[rf]
	return s, ok
}

func requireKind(t testing.TB, want fault.Kind, err error) {
	t.Helper()
	require.Equal(t, want, fault.KindOf(err), "%v", err)
}

// digest is a valid SHA-256 for a number.
func digest(n int) string {
	const hex = "0123456789abcdef"
	b := []byte("0000000000000000000000000000000000000000000000000000000000000000")
	for i := len(b) - 1; n > 0; i, n = i-1, n/16 {
		b[i] = hex[n%16]
	}
	return string(b)
}
