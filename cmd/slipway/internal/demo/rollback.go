package demo

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
)

// Rollback is what happened to the calls during the roll-back.
type Rollback struct {
	Calls  int            `json:"calls"`
	Failed int            `json:"failed"`
	Before map[string]int `json:"split_before"`
	After  map[string]int `json:"split_after"`
}

// rollBack moves all traffic to the first prompt version while callers go on calling.
func (d *demo) rollBack(ctx context.Context) error {
	const callers, each = 8, 20
	var (
		mu       sync.Mutex
		all      []answer
		group    sync.WaitGroup
		swapped  atomic.Bool
		finished atomic.Int64
		half     = make(chan struct{})
		once     sync.Once
	)
	d.report.Rollback = Rollback{Before: map[string]int{}, After: map[string]int{}}
	rb := &d.report.Rollback
	for c := range callers {
		group.Go(func() {
			// Each caller makes its calls before the swap and as many that begin after it.
			for i, after := 0, 0; after < each && ctx.Err() == nil && i < 100*each; i++ {
				late := swapped.Load()
				if late {
					after++
				}
				a := d.ask(ctx, d.http, request{question: d.questions.everyday[(c+i)%len(d.questions.everyday)], user: fmt.Sprintf("rollback-%d-%d", c, i), stream: i%3 == 0})
				mu.Lock()
				all = append(all, a)
				if a.status != http.StatusOK {
					rb.Failed++
				} else if late {
					rb.After[a.entity]++
				} else {
					rb.Before[a.entity]++
				}
				mu.Unlock()
				if finished.Add(1) >= callers*each/2 {
					once.Do(func() { close(half) })
				}
			}
		})
	}
	select {
	case <-half:
	case <-ctx.Done():
		group.Wait()
		return ctx.Err()
	}
	err := d.swap(ctx)
	swapped.Store(true)
	group.Wait()
	if err != nil {
		return err
	}
	d.answers = append(d.answers, all...)
	rb.Calls = len(all)
	d.print.line("%d calls during the roll-back, %d failed; before %v, after %v", rb.Calls, rb.Failed, rb.Before, rb.After)
	switch {
	case rb.Failed > 0:
		return untrue("%d calls failed during the roll-back", rb.Failed)
	case rb.After[second] > 0:
		return untrue("after the roll-back %d calls still went to %s", rb.After[second], second)
	}
	return nil
}

// swap returns when every gateway routes by the new split: the update is complete only then.
func (d *demo) swap(ctx context.Context) error {
	start := time.Now()
	if _, err := d.endpoints.UpdateEndpointConfig(ctx, &servingv1.UpdateEndpointConfigRequest{Name: d.endpoint, Config: d.config(100)}); err != nil {
		return err
	}
	if err := d.awaitUpdate(ctx); err != nil {
		return err
	}
	d.print.line("split is 100/0 after %s", time.Since(start).Round(time.Millisecond))
	return nil
}
