package id

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestUUIDv7CarriesItsTimeAndVersion(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 123_456_000, time.UTC)
	s := &v7{now: func() time.Time { return now }}
	u, err := uuid.Parse(s.New())
	require.NoError(t, err)
	require.Equal(t, uuid.Version(7), u.Version())
	require.Equal(t, uuid.RFC4122, u.Variant())
	sec, nsec := u.Time().UnixTime()
	require.Equal(t, now.Truncate(time.Millisecond), time.Unix(sec, nsec).UTC())
}

func TestUUIDv7IncreasesWhenTheClockStandsOrStepsBack(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_700_000_000_000)
	s := &v7{now: func() time.Time { return now }}
	last := s.New()
	for i := range 10_000 { // more than the 4096 that a counter of 12 bits has
		if i == 5000 {
			now = now.Add(-time.Hour)
		}
		next := s.New()
		require.Greater(t, next, last)
		last = next
	}
}

func TestUUIDv7IsUniqueAcrossGoroutines(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 2000
	s := UUIDv7()
	ids := make([][]string, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range each {
				ids[w] = append(ids[w], s.New())
			}
		})
	}
	wg.Wait()
	for _, own := range ids {
		require.True(t, slices.IsSorted(own), "each goroutine sees its ids increase")
	}
	all := slices.Concat(ids...)
	slices.Sort(all)
	require.Len(t, slices.Compact(all), workers*each)
}

func TestFixedGivesItsIDsAndThenCounts(t *testing.T) {
	t.Parallel()
	s := Fixed("a", "b")
	require.Equal(t, []string{"a", "b", "fixed-000001", "fixed-000002"}, []string{s.New(), s.New(), s.New(), s.New()})
}
