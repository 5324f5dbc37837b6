package inference

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
)

// counting is a store that counts the data files that are opened.
type counting struct {
	delta.Store
	opened atomic.Int64
}

func (c *counting) Open(ctx context.Context, key string, size int64) (delta.Reader, error) {
	c.opened.Add(1)
	return c.Store.Open(ctx, key, size)
}

// logTable is four days of two endpoints, six files each, with their records
// newest first.
func logTable(t *testing.T) (*delta.Table, *counting, []*Record) {
	t.Helper()
	local, err := delta.NewLocal(t.TempDir())
	require.NoError(t, err)
	store := &counting{Store: local}
	table, err := delta.OpenOrCreate(t.Context(), store, Spec(), TableOptions())
	require.NoError(t, err)
	var all []*Record
	n := 0
	for day := range 4 {
		for _, endpoint := range []string{"chat", "a/b ü"} {
			for file := range 6 {
				var batch []*Record
				for i := range 20 {
					n++
					r := &Record{
						RequestID: fmt.Sprintf("%08d-%04d", n, (n*7919)%10_000), ClientRequestID: fmt.Sprint("client-", n%50),
						RequestTime: noon.AddDate(0, 0, day).Add(time.Duration(file*20+i/2) * time.Minute), // pairs share a time
						Endpoint:    endpoint, ServedEntity: fmt.Sprint("v", n%3), Requester: fmt.Sprint("user-", n%4), StatusCode: int64([]int{200, 200, 200, 429, 500}[n%5]),
						TrafficBucket: -1, Request: fmt.Sprintf(`{"messages":[{"role":"user","content":"question %d"}]}`, n), Source: "gw", Epoch: 1, Seq: int64(n),
					}
					Prepare(r, DefaultLimits(), noon)
					batch = append(batch, r)
				}
				all = append(all, batch...)
				_, err := table.Append(t.Context(), Partition(batch[0].Day(), endpoint), Batch(batch))
				require.NoError(t, err)
			}
		}
	}
	slices.SortFunc(all, func(a, b *Record) int {
		if (Cursor{a.RequestTime.UnixMicro(), a.RequestID}).before(Cursor{b.RequestTime.UnixMicro(), b.RequestID}) {
			return -1
		}
		return 1
	})
	store.opened.Store(0)
	return table, store, all
}

func (f Filter) admits(r *Record) bool {
	return (f.Endpoint == "" || f.Endpoint == r.Endpoint) && (f.From.IsZero() || !r.RequestTime.Before(f.From)) && (f.To.IsZero() || r.RequestTime.Before(f.To)) &&
		(f.StatusCode == 0 || f.StatusCode == r.StatusCode) && (f.ServedEntity == "" || f.ServedEntity == r.ServedEntity) &&
		(f.Requester == "" || f.Requester == r.Requester) && (f.ClientRequestID == "" || f.ClientRequestID == r.ClientRequestID) && (f.RequestID == "" || f.RequestID == r.RequestID)
}

func TestPagesTogetherAreExactlyTheMatchingRecordsNewestFirst(t *testing.T) {
	t.Parallel()
	table, _, all := logTable(t)
	filters := []Filter{
		{},
		{Endpoint: "chat"},
		{Endpoint: "a/b ü", StatusCode: 500},
		{From: noon.AddDate(0, 0, 1), To: noon.AddDate(0, 0, 3)},
		{From: noon.Add(17 * time.Minute), To: noon.Add(17*time.Minute + 1)},
		{ServedEntity: "v2", Requester: "user-1"},
		{ClientRequestID: "client-7"},
		{RequestID: all[100].RequestID},
		{Endpoint: "nobody"},
		{StatusCode: 404},
		{From: noon.AddDate(1, 0, 0)},
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, f := range filters {
		var want, got []*Record
		for _, r := range all {
			if f.admits(r) {
				want = append(want, r)
			}
		}
		limit := 1 + rnd.IntN(90)
		var after *Cursor
		for {
			p, err := Search(t.Context(), table, f, SearchOptions{After: after, Limit: limit, Bodies: true})
			require.NoError(t, err)
			require.LessOrEqual(t, len(p.Records), limit)
			got = append(got, p.Records...)
			if after = p.Next; after == nil {
				break
			}
			require.Len(t, p.Records, limit)
		}
		require.Empty(t, cmp.Diff(want, got), "%+v", f)
	}
}

func TestAPageIsReadFromTheFilesThatCanHoldIt(t *testing.T) {
	t.Parallel()
	table, store, all := logTable(t)
	require.Equal(t, 48, table.Snapshot().NumFiles())
	cases := []struct {
		name  string
		f     Filter
		limit int
		files int // read to find the places
	}{
		{"the newest ten of an endpoint", Filter{Endpoint: "chat"}, 10, 1},
		{"the newest twenty-five of an endpoint", Filter{Endpoint: "chat"}, 25, 2},
		{"one day of an endpoint", Filter{Endpoint: "chat", From: noon.AddDate(0, 0, 1), To: noon.AddDate(0, 0, 2).Add(-time.Hour)}, 1000, 6},
		{"one stretch of a day", Filter{Endpoint: "chat", From: noon.Add(45 * time.Minute), To: noon.Add(55 * time.Minute)}, 1000, 1},
		{"one request", Filter{RequestID: all[77].RequestID}, 1, 1},
		{"a status that nobody had", Filter{StatusCode: 600}, 10, 0},
		{"an endpoint that nobody has", Filter{Endpoint: "x"}, 10, 0},
		{"everything", Filter{}, 1000, 48},
	}
	for _, c := range cases {
		store.opened.Store(0)
		p, err := Search(t.Context(), table, c.f, SearchOptions{Limit: c.limit})
		require.NoError(t, err)
		require.Equal(t, c.files, p.FilesRead, c.name)
		require.Equal(t, 48-c.files, p.FilesPruned, c.name)
		// Each file is opened once to look and once to fetch, at most.
		require.LessOrEqual(t, store.opened.Load(), int64(2*c.files), c.name)
		require.GreaterOrEqual(t, store.opened.Load(), int64(c.files), c.name)
		for _, r := range p.Records {
			require.Empty(t, r.Request, "bodies were not asked for")
			require.NotEmpty(t, r.RequestID)
		}
	}
}

func TestAPageOfLargeBodiesEndsEarlyAndGoesOn(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	var batch []*Record
	for i := range 10 {
		r := &Record{RequestID: fmt.Sprint("id-", i), RequestTime: noon.Add(time.Duration(i) * time.Second), Endpoint: "chat", Request: strings.Repeat("x", 1000)}
		Prepare(r, DefaultLimits(), noon)
		batch = append(batch, r)
	}
	_, err := table.Append(t.Context(), Partition(batch[0].Day(), "chat"), Batch(batch))
	require.NoError(t, err)
	var got []string
	var after *Cursor
	pages := 0
	for {
		p, err := Search(t.Context(), table, Filter{}, SearchOptions{After: after, Limit: 100, Bodies: true, MaxBytes: 3500})
		require.NoError(t, err)
		pages++
		for _, r := range p.Records {
			got = append(got, r.RequestID)
		}
		if after = p.Next; after == nil {
			break
		}
	}
	require.Equal(t, 4, pages)
	require.Equal(t, []string{"id-9", "id-8", "id-7", "id-6", "id-5", "id-4", "id-3", "id-2", "id-1", "id-0"}, got)
	p, err := Search(t.Context(), table, Filter{}, SearchOptions{Limit: 100, Bodies: true, MaxBytes: 1})
	require.NoError(t, err)
	require.Len(t, p.Records, 1)
}

func TestARecordIsFoundByItsID(t *testing.T) {
	t.Parallel()
	table, _, all := logTable(t)
	got, err := Get(t.Context(), table, all[321].RequestID)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(all[321], got))
	got, err = Get(t.Context(), table, "not there")
	require.NoError(t, err)
	require.Nil(t, got)
}
