package ingest

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
)

// job is one data file to write.
type job struct {
	partition
	records []*inference.Record
}

// writeAll writes the files side by side: each waits for its own sync most of
// the time. Files of a batch that fails later are left to the vacuum.
func (w *Writer) writeAll(ctx context.Context, jobs []job) ([]delta.Add, error) {
	// A fixed order makes equal batches equal commits.
	slices.SortFunc(jobs, func(a, b job) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.endpoint, b.endpoint))
	})
	adds := make([]delta.Add, len(jobs))
	errs := make([]error, len(jobs))
	room := make(chan struct{}, 2*runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i, j := range jobs {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			adds[i], errs[i] = w.writeFile(ctx, j)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return adds, nil
}

// batchRows bounds the columns that are held beside the records.
const batchRows = 2048

func (w *Writer) writeFile(ctx context.Context, j job) (delta.Add, error) {
	// By time, so that the bounds of pages are narrow.
	slices.SortStableFunc(j.records, func(a, b *inference.Record) int { return a.RequestTime.Compare(b.RequestTime) })
	return w.table.Write(ctx, inference.Partition(j.day, j.endpoint), func(yield func(*delta.Batch, error) bool) {
		for part := range slices.Chunk(j.records, batchRows) {
			if !yield(inference.Batch(part), nil) {
				return
			}
		}
	})
}
