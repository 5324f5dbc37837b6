package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/store"
)

func eachSourceStore(t *testing.T, test func(t *testing.T, s store.SourceStore)) {
	t.Helper()
	testkit.EachBackend(t, store.Migrations(), func(t *testing.T, db *sqlkit.DB) { test(t, store.NewSourceStore(db)) })
}

func TestDeliveriesAddUpAndTheWatermarkNeverFalls(t *testing.T) {
	t.Parallel()
	eachSourceStore(t, func(t *testing.T, s store.SourceStore) {
		_, err := s.Source(t.Context(), "gw", 1)
		require.True(t, fault.Is(err, fault.NotFound))
		require.NoError(t, s.NoteDelivery(t.Context(), []store.Delivery{
			{SourceID: "gw", Epoch: 1, AckedSeq: 10, TableVersion: 4, Rows: 10, Sanitised: 1, At: t0},
			{SourceID: "Gw", Epoch: -3, AckedSeq: 1, TableVersion: 4, Rows: 1, At: t0},
		}))
		require.NoError(t, s.NoteDelivery(t.Context(), []store.Delivery{{SourceID: "gw", Epoch: 1, AckedSeq: 25, TableVersion: 9, Rows: 15, Duplicates: 2, At: t0.Add(time.Minute)}}))
		// A note that comes late and out of order.
		require.NoError(t, s.NoteDelivery(t.Context(), []store.Delivery{{SourceID: "gw", Epoch: 1, AckedSeq: 20, TableVersion: 8, Gaps: 1, At: t0.Add(time.Second)}}))
		got, err := s.Source(t.Context(), "gw", 1)
		require.NoError(t, err)
		want := store.Source{SourceID: "gw", Epoch: 1, AckedSeq: 25, TableVersion: 9, Rows: 25, Duplicates: 2, Gaps: 1, Sanitised: 1, FirstSeen: t0, LastSeen: t0.Add(time.Minute)}
		require.Equal(t, want, got)
		all, err := s.ListSources(t.Context())
		require.NoError(t, err)
		require.Len(t, all, 2)
		require.Equal(t, "Gw", all[0].SourceID, "by bytes: capitals first")
		require.EqualValues(t, -3, all[0].Epoch)
		require.Equal(t, want, all[1])
	})
}

func TestNotesOfManyWritersAreAllCounted(t *testing.T) {
	t.Parallel()
	eachSourceStore(t, func(t *testing.T, s store.SourceStore) {
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 10 {
					d := store.Delivery{SourceID: "gw", Epoch: 7, AckedSeq: int64(w*10 + i), Rows: 1, At: t0}
					if err := s.NoteDelivery(t.Context(), []store.Delivery{d}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		got, err := s.Source(t.Context(), "gw", 7)
		require.NoError(t, err)
		require.EqualValues(t, 80, got.Rows)
		require.EqualValues(t, 79, got.AckedSeq)
	})
}
