package work_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/store"
	"github.com/slipway-ai/slipway/services/monitor/internal/work"
)

const secret = "correct horse battery staple"

var t0 = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// call is what a receiver saw.
type call struct {
	header http.Header
	body   []byte
}

// receiver is a real HTTP server that answers what it is told to.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	hold   chan struct{} // not nil: answers wait for it
	calls  *testkit.Signal[call]
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusNoContent, calls: testkit.NewSignal[call]()}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		status, hold := r.status, r.hold
		r.mu.Unlock()
		r.calls.Fire(call{req.Header.Clone(), body})
		if hold != nil {
			select {
			case <-hold:
			case <-req.Context().Done():
			}
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// world is a store with one monitor and a sender over it.
type world struct {
	memory  store.MonitorStore
	clock   *clock.Fake
	metrics *prometheus.Registry
	logs    *strings.Builder
	monitor domain.Monitor
	ids     id.Source
}

func newWorld(t *testing.T, db *sqlkit.DB, urls ...string) *world {
	t.Helper()
	w := &world{memory: store.NewMonitorStore(db), clock: clock.NewFake(t0), logs: &strings.Builder{}, ids: id.UUIDv7()}
	w.monitor = domain.Monitor{Name: "m", Endpoint: "chat", Version: 1, CreateTime: t0, UpdateTime: t0}
	secrets := map[string]config.Secret{}
	for _, u := range urls {
		w.monitor.Webhooks = append(w.monitor.Webhooks, domain.Webhook{URL: u})
		secrets[u] = secret
	}
	w.monitor.Complete()
	require.NoError(t, w.memory.CreateMonitor(t.Context(), w.monitor, secrets))
	return w
}

// sender makes a new sender, as a restart would.
func (w *world) sender(t *testing.T) *work.Sender {
	t.Helper()
	w.metrics = prometheus.NewRegistry()
	s, err := work.NewSender(w.memory, work.NewClient(2*time.Second), w.clock, slog.New(slog.NewTextHandler(&lockedWriter{w: w.logs}, nil)), w.metrics)
	require.NoError(t, err)
	return s
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// crossed commits a refresh in which lang drifted, or did not.
func (w *world) crossed(t *testing.T, drifted bool) {
	t.Helper()
	one := 1.0
	zero := 0.0
	d := domain.DriftMetrics{Column: "lang", Status: domain.StatusOK, Drifted: drifted, Effect: &one, PAdjusted: &zero, EffectName: "js_distance"}
	windows := []domain.Evaluated{{Window: domain.Window{Start: t0, End: t0.Add(time.Minute)}, Drift: []domain.DriftMetrics{d}}}
	r := domain.Refresh{Monitor: "m", Version: 1, CreateTime: t0, Now: w.clock.Now()}
	_, err := w.memory.CommitRefresh(t.Context(), r, func(open []domain.Alert) []domain.AlertChange {
		return domain.Judge(w.monitor, open, windows, w.clock.Now(), w.ids.New)
	})
	require.NoError(t, err)
}

func (w *world) pending(t *testing.T) int64 {
	t.Helper()
	n, err := w.memory.Pending(t.Context())
	require.NoError(t, err)
	return n
}

func eachWorld(t *testing.T, test func(t *testing.T, db *sqlkit.DB)) {
	t.Helper()
	testkit.EachBackend(t, os.DirFS("../store/migrations"), test)
}

func TestAnEventArrivesSignedAndOnce(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, db *sqlkit.DB) {
		r := newReceiver(t)
		w := newWorld(t, db, r.URL+"/hook?token=t0ken")
		w.crossed(t, true)
		s := w.sender(t)
		require.NoError(t, s.Drain(t.Context()))
		got := r.calls.Wait(t)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(got.body)
		require.Equal(t, "sha256="+hex.EncodeToString(mac.Sum(nil)), got.header.Get(work.HeaderSignature))
		require.Equal(t, domain.EventAlertOpened, got.header.Get(work.HeaderEvent))
		require.Equal(t, "application/json", got.header.Get("Content-Type"))
		var body struct {
			EventID string `json:"event_id"`
			Alert   struct {
				Columns []string `json:"columns"`
			} `json:"alert"`
		}
		require.NoError(t, json.Unmarshal(got.body, &body))
		require.Equal(t, body.EventID, got.header.Get(work.HeaderEventID))
		require.Equal(t, []string{"lang"}, body.Alert.Columns)

		require.Zero(t, w.pending(t))
		w.clock.Advance(48 * time.Hour)
		require.NoError(t, s.Drain(t.Context()))
		r.calls.None(t)
		alerts, err := w.memory.ListAlerts(t.Context(), domain.AlertQuery{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, 1, alerts[0].Deliveries)
	})
}

func TestAFailureIsTriedAgainWithGrowingPausesAcrossRestarts(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, db *sqlkit.DB) {
		r := newReceiver(t)
		r.answer(http.StatusInternalServerError)
		w := newWorld(t, db, r.URL+"/hook?token=t0ken")
		w.crossed(t, true)
		require.NoError(t, w.sender(t).Drain(t.Context()))
		first := r.calls.Wait(t)
		var waits []time.Duration
		for range 6 {
			s := w.sender(t) // each attempt by another process
			since := w.clock.Now()
			for {
				require.NoError(t, s.Drain(t.Context()))
				select {
				case again := <-r.calls.C():
					require.Equal(t, first.body, again.body, "byte for byte")
					require.Equal(t, first.header.Get(work.HeaderEventID), again.header.Get(work.HeaderEventID))
				default:
					w.clock.Advance(100 * time.Millisecond)
					continue
				}
				break
			}
			waits = append(waits, w.clock.Now().Sub(since))
		}
		for i, wait := range waits {
			full := time.Second << i
			require.GreaterOrEqual(t, wait, full/2, "attempt %d", i+2)
			require.LessOrEqual(t, wait, full+100*time.Millisecond, "attempt %d", i+2)
		}
		r.answer(http.StatusOK)
		w.clock.Advance(time.Hour)
		require.NoError(t, w.sender(t).Drain(t.Context()))
		require.Equal(t, "8", r.calls.Wait(t).header.Get(work.HeaderAttempt))
		require.Zero(t, w.pending(t))
		require.NotContains(t, w.logs.String(), secret)
		require.NotContains(t, w.logs.String(), "t0ken", "an address may hold a token")
	})
}

func TestASenderThatDiesLeavesItsDeliveryToTheNext(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, db *sqlkit.DB) {
		r := newReceiver(t)
		w := newWorld(t, db, r.URL)
		w.crossed(t, true)
		// Claimed and never heard of again: that is what kill -9 leaves.
		claimed, err := w.memory.ClaimDeliveries(t.Context(), t0, t0.Add(time.Minute), 10)
		require.NoError(t, err)
		require.Len(t, claimed, 1)
		require.NoError(t, w.sender(t).Drain(t.Context()))
		r.calls.None(t)
		w.clock.Advance(time.Minute)
		require.NoError(t, w.sender(t).Drain(t.Context()))
		require.Equal(t, "2", r.calls.Wait(t).header.Get(work.HeaderAttempt))
		require.Zero(t, w.pending(t))
	})
}

func TestAStopInMidCallIsNotedAndTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testkit.OpenStore(t, testkit.SQLite(t), os.DirFS("../store/migrations")))
	r := newReceiver(t)
	r.hold = make(chan struct{})
	w.monitor.Webhooks = []domain.Webhook{{URL: r.URL}}
	w.monitor.Version = 2
	_, err := w.memory.UpdateMonitor(t.Context(), w.monitor, nil, false, func([]domain.Alert) []domain.AlertChange { return nil })
	require.NoError(t, err)
	w.monitor.Version = 1
	refresh := domain.Refresh{Monitor: "m", Version: 2, CreateTime: t0, Now: t0}
	_, err = w.memory.CommitRefresh(t.Context(), refresh, func(open []domain.Alert) []domain.AlertChange {
		one, zero := 1.0, 0.0
		d := domain.DriftMetrics{Column: "lang", Status: domain.StatusOK, Drifted: true, Effect: &one, PAdjusted: &zero}
		return domain.Judge(w.monitor, open, []domain.Evaluated{{Drift: []domain.DriftMetrics{d}}}, t0, w.ids.New)
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	s := w.sender(t)
	go func() { done <- s.Run(ctx) }()
	unsigned := r.calls.Wait(t)
	require.Empty(t, unsigned.header.Get(work.HeaderSignature), "without a secret there is no signature")
	stop()
	w.clock.Await(2) // the ticker, and the grace of the call in flight
	w.clock.Advance(time.Second)
	require.ErrorIs(t, <-done, context.Canceled)
	require.EqualValues(t, 1, w.pending(t))
	close(r.hold)
	w.clock.Advance(time.Second)
	require.NoError(t, w.sender(t).Drain(t.Context()))
	r.calls.Wait(t)
	require.Zero(t, w.pending(t))
}

func TestANudgeSendsAtOnceAndATickSendsWithoutOne(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	w := newWorld(t, testkit.OpenStore(t, testkit.SQLite(t), os.DirFS("../store/migrations")), r.URL)
	ctx, stop := context.WithCancel(t.Context())
	s := w.sender(t)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	w.clock.Await(1)
	w.crossed(t, true)
	s.Nudge()
	require.Equal(t, domain.EventAlertOpened, r.calls.Wait(t).header.Get(work.HeaderEvent))
	w.crossed(t, false)
	w.clock.Advance(time.Second)
	require.Equal(t, domain.EventAlertClosed, r.calls.Wait(t).header.Get(work.HeaderEvent))
	stop()
	require.ErrorIs(t, <-done, context.Canceled)
}

func TestOneDeadReceiverDoesNotHoldUpAnother(t *testing.T) {
	t.Parallel()
	alive := newReceiver(t)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := dead.Addr().String()
	require.NoError(t, dead.Close())
	w := newWorld(t, testkit.OpenStore(t, testkit.SQLite(t), os.DirFS("../store/migrations")), "http://"+address+"/x", alive.URL)
	w.crossed(t, true)
	require.NoError(t, w.sender(t).Drain(t.Context()))
	alive.calls.Wait(t)
	require.EqualValues(t, 1, w.pending(t))
	require.Contains(t, w.logs.String(), "refused")
}

func TestASlowReceiverIsCutOff(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.hold = make(chan struct{})
	t.Cleanup(func() { close(r.hold) })
	out := work.NewClient(50*time.Millisecond).Tell(t.Context(), domain.Delivery{URL: r.URL, Payload: []byte("{}")}, "")
	require.False(t, out.Told)
	require.Equal(t, "no answer in time", out.Why)
}

func TestRedirectsStayOnTheHostAndKeepTheBody(t *testing.T) {
	t.Parallel()
	other := newReceiver(t)
	var own *httptest.Server
	got := testkit.NewSignal[call]()
	own = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/here", http.StatusPermanentRedirect)
		case "/drops-the-body":
			http.Redirect(w, r, "/here", http.StatusFound)
		case "/elsewhere":
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusTemporaryRedirect)
		default:
			body, _ := io.ReadAll(r.Body)
			got.Fire(call{r.Header, body})
		}
	}))
	t.Cleanup(own.Close)
	tell := func(path string) work.Outcome {
		return work.NewClient(0).Tell(t.Context(), domain.Delivery{URL: own.URL + path, Payload: []byte(`{"a":1}`), EventID: "e"}, secret)
	}
	require.True(t, tell("/moved").Told)
	arrived := got.Wait(t)
	require.Equal(t, `{"a":1}`, string(arrived.body))
	require.Equal(t, work.Sign(secret, arrived.body), arrived.header.Get(work.HeaderSignature))
	for _, path := range []string{"/drops-the-body", "/elsewhere", "/loop"} {
		out := tell(path)
		require.False(t, out.Told, path)
		require.False(t, out.Gone, path)
		require.Contains(t, out.Why, "redirect", path)
	}
	other.calls.None(t)
	got.None(t)
}

func TestADeliveryIsGivenUpWhenGoneRemovedOrOld(t *testing.T) {
	t.Parallel()
	db := testkit.OpenStore(t, testkit.SQLite(t), os.DirFS("../store/migrations"))
	gone, removed, old := newReceiver(t), newReceiver(t), newReceiver(t)
	gone.answer(http.StatusGone)
	removed.answer(http.StatusBadGateway)
	old.answer(http.StatusNotFound)
	w := newWorld(t, db, gone.URL, removed.URL, old.URL)
	w.crossed(t, true)
	s := w.sender(t)
	require.NoError(t, s.Drain(t.Context()))
	require.EqualValues(t, 2, w.pending(t), "gone is gone")
	m := w.monitor
	m.Version, m.Webhooks = 2, []domain.Webhook{{URL: old.URL}}
	_, err := w.memory.UpdateMonitor(t.Context(), m, nil, false, func([]domain.Alert) []domain.AlertChange { return nil })
	require.NoError(t, err)
	w.clock.Advance(time.Hour)
	require.NoError(t, s.Drain(t.Context()))
	require.EqualValues(t, 1, w.pending(t))
	w.clock.Advance(24 * time.Hour)
	require.NoError(t, s.Drain(t.Context()))
	require.Zero(t, w.pending(t))
	removed.calls.Wait(t)
	removed.calls.None(t)
}
