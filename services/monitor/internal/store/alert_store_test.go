package store_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/store"
)

// drifted is a window in which these columns drifted and nothing else was watched.
func drifted(w domain.Window, columns ...string) domain.Evaluated {
	e := domain.Evaluated{Window: w, Drift: []domain.DriftMetrics{{Column: "other", Status: domain.StatusOK}}}
	for _, c := range columns {
		e.Drift = append(e.Drift, domain.DriftMetrics{
			Column: c, Status: domain.StatusOK, Drifted: true, EffectName: "js_distance", Effect: ptr(0.5), PAdjusted: ptr(1e-9),
		})
	}
	return e
}

func judging(m domain.Monitor, now time.Time, ids id.Source, windows ...domain.Evaluated) store.Judge {
	return func(open []domain.Alert) []domain.AlertChange { return domain.Judge(m, open, windows, now, ids.New) }
}

func TestConcurrentRefreshesOpenOneAlert(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.MonitorStore) {
		ctx, ids := t.Context(), id.UUIDv7()
		m := create(t, s, monitorNamed("m"))
		var wg sync.WaitGroup
		var mu sync.Mutex
		opened := 0
		for range 8 {
			wg.Go(func() {
				changes, err := s.CommitRefresh(ctx, refreshOf(m, minute(1)), judging(m, t0, ids, drifted(minute(1), "lang")))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("refresh: %v", err)
				}
				for _, c := range changes {
					if c.Event != nil {
						opened++
					}
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, opened)
		alerts, err := s.ListAlerts(ctx, domain.AlertQuery{Monitor: "m", Limit: 10})
		require.NoError(t, err)
		require.Len(t, alerts, 1)
		n, err := s.Pending(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 2, n, "one event, two webhooks")
	})
}

func TestAnAlertOpensStaysClosesAndIsHistory(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.MonitorStore) {
		ctx, ids := t.Context(), id.UUIDv7()
		m := create(t, s, monitorNamed("m"))
		step := func(at int, windows ...domain.Evaluated) []domain.AlertChange {
			changes, err := s.CommitRefresh(ctx, refreshOf(m, minute(at)), judging(m, t0.Add(time.Duration(at)*time.Minute), ids, windows...))
			require.NoError(t, err)
			return changes
		}
		opened := step(1, drifted(minute(1), "lang", "prompt_chars"))
		require.Len(t, opened, 1)
		require.Equal(t, domain.EventAlertOpened, opened[0].Event.Kind)
		require.Empty(t, step(1, drifted(minute(1), "lang", "prompt_chars")), "the same window again is no news")
		seen := step(2, drifted(minute(2), "lang"))
		require.Len(t, seen, 1)
		require.Nil(t, seen[0].Event)
		closed := step(3, drifted(minute(3)))
		require.Len(t, closed, 1)
		require.Equal(t, domain.EventAlertClosed, closed[0].Event.Kind)
		require.Empty(t, step(3, drifted(minute(3))))
		require.Len(t, step(4, drifted(minute(4), "lang")), 1)

		all, err := s.ListAlerts(ctx, domain.AlertQuery{Endpoint: "chat", Limit: 10})
		require.NoError(t, err)
		require.Len(t, all, 2)
		require.Equal(t, domain.AlertOpen, all[0].State)
		require.Equal(t, domain.AlertClosed, all[1].State)
		require.Equal(t, []string{"lang"}, all[1].Columns, "as last seen")
		require.Equal(t, minute(2), all[1].Window)
		require.Equal(t, t0.Add(3*time.Minute), all[1].CloseTime)
		require.Equal(t, opened[0].Alert.ID, all[1].ID)
		onlyOpen, err := s.ListAlerts(ctx, domain.AlertQuery{State: domain.AlertOpen, Limit: 10})
		require.NoError(t, err)
		require.Equal(t, all[:1], onlyOpen)
		page, err := s.ListAlerts(ctx, domain.AlertQuery{Limit: 1, After: domain.TimeKey{Micros: all[0].OpenTime.UnixMicro(), ID: all[0].ID}})
		require.NoError(t, err)
		require.Equal(t, all[1:], page)

		// A threshold that the monitor loses closes its alert.
		m.Version, m.Thresholds = 2, m.Thresholds[1:]
		changes, err := s.UpdateMonitor(ctx, m, nil, false, judging(m, t0.Add(time.Hour), ids))
		require.NoError(t, err)
		require.Len(t, changes, 1)
		require.Equal(t, domain.EventAlertClosed, changes[0].Event.Kind)
		require.NoError(t, s.DeleteMonitor(ctx, "m"))
		left, err := s.ListAlerts(ctx, domain.AlertQuery{Limit: 10})
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

func TestTheOutboxGivesEachDeliveryOutOnceAndInOrder(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.MonitorStore) {
		ctx, ids := t.Context(), id.UUIDv7()
		m := create(t, s, monitorNamed("m"))
		for i, w := range []domain.Evaluated{drifted(minute(1), "lang"), drifted(minute(2))} {
			r := refreshOf(m, minute(i))
			r.Now = t0
			_, err := s.CommitRefresh(ctx, r, judging(m, t0, ids, w))
			require.NoError(t, err)
		}
		until := t0.Add(time.Minute)
		var wg sync.WaitGroup
		var mu sync.Mutex
		var claimed []domain.Delivery
		for range 5 {
			wg.Go(func() {
				got, err := s.ClaimDeliveries(ctx, t0, until, 10)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("claim: %v", err)
				}
				claimed = append(claimed, got...)
			})
		}
		wg.Wait()
		require.Len(t, claimed, 2, "one per webhook; the closing waits for the opening")
		urls := map[string]bool{}
		for _, d := range claimed {
			urls[d.URL] = true
			require.Equal(t, domain.EventAlertOpened, d.Kind)
			require.Equal(t, 1, d.Attempts)
			var body struct {
				EventID string `json:"event_id"`
				Alert   struct{ State, Message string }
			}
			require.NoError(t, json.Unmarshal(d.Payload, &body))
			require.Equal(t, d.EventID, body.EventID)
			require.Equal(t, "OPEN", body.Alert.State)
		}
		require.Len(t, urls, 2)

		// One is delivered, one fails; a third party takes neither before its time.
		require.NoError(t, s.FinishDelivery(ctx, claimed[0], t0, ""))
		require.NoError(t, s.RetryDelivery(ctx, claimed[1], t0, t0.Add(30*time.Second), "connection refused"))
		next, err := s.ClaimDeliveries(ctx, t0.Add(29*time.Second), until, 10)
		require.NoError(t, err)
		require.Len(t, next, 1)
		require.Equal(t, claimed[0].URL, next[0].URL)
		require.Equal(t, domain.EventAlertClosed, next[0].Kind)
		again, err := s.ClaimDeliveries(ctx, t0.Add(30*time.Second), t0.Add(time.Hour), 10)
		require.NoError(t, err)
		require.Len(t, again, 1)
		require.Equal(t, 2, again[0].Attempts)
		require.Equal(t, claimed[1].EventID, again[0].EventID)
		require.Equal(t, claimed[1].Payload, again[0].Payload, "byte for byte, or the signature would change")

		// A sender that died: its lease ends by itself.
		lost, err := s.ClaimDeliveries(ctx, t0.Add(2*time.Hour), t0.Add(3*time.Hour), 10)
		require.NoError(t, err)
		require.Len(t, lost, 2)
		for _, d := range lost {
			require.NoError(t, s.FinishDelivery(ctx, d, t0, "webhook removed"))
		}
		rest, err := s.ClaimDeliveries(ctx, t0.Add(4*time.Hour), t0.Add(5*time.Hour), 10)
		require.NoError(t, err)
		require.Len(t, rest, 1)
		alerts, err := s.ListAlerts(ctx, domain.AlertQuery{Limit: 5})
		require.NoError(t, err)
		require.Equal(t, 1, alerts[0].Deliveries)
	})
}

func TestFeedbackKeepsItsValueAndOrder(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store.MonitorStore) {
		ctx := t.Context()
		values := []any{true, false, 0.1, 1e300, 4.0, "ja, größer als 3", "", `{"not":"parsed"}`}
		for i, v := range values {
			require.NoError(t, s.AddFeedback(ctx, domain.Feedback{
				ID: fmt.Sprintf("f%d", i), RequestID: fmt.Sprint("r", i%2), Endpoint: "chat", Name: "thumbs", Value: v,
				Rationale: "weil 'es' so ist", Source: domain.SourceHuman, Creator: "ada", CreateTime: t0.Add(time.Duration(i/2) * time.Microsecond),
			}))
		}
		var got []any
		for q := (domain.FeedbackQuery{Endpoint: "chat", Limit: 3}); ; {
			page, err := s.ListFeedback(ctx, q)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			for _, f := range page {
				got = append([]any{f.Value}, got...)
			}
			last := page[len(page)-1]
			q.After = domain.TimeKey{Micros: last.CreateTime.UnixMicro(), ID: last.ID}
		}
		require.Equal(t, values, got)
		one, err := s.ListFeedback(ctx, domain.FeedbackQuery{RequestID: "r1", Name: "thumbs", Limit: 100})
		require.NoError(t, err)
		require.Len(t, one, 4)
		require.Equal(t, "weil 'es' so ist", one[0].Rationale)
		none, err := s.ListFeedback(ctx, domain.FeedbackQuery{Endpoint: "Chat", Limit: 5})
		require.NoError(t, err)
		require.Empty(t, none, "names compare by bytes")
	})
}
