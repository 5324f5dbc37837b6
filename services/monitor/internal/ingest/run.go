package ingest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
)

// Run commits until ctx ends. Call Drain first to end without leaving anything
// in line; what is left then was never acknowledged and will be sent again.
func (w *Writer) Run(ctx context.Context) error {
	for {
		batch, err := w.take(ctx)
		if err != nil {
			return nil //nolint:nilerr // the end of ctx is the end of the work, not a failure
		}
		if len(batch) == 0 {
			continue
		}
		if err := w.settle(ctx, batch); err != nil {
			return nil //nolint:nilerr // as above
		}
	}
}

// Drain refuses new records, commits those in line, and returns when they are
// durable or ctx ends.
func (w *Writer) Drain(ctx context.Context) error {
	w.mu.Lock()
	w.closed, w.hurry = true, true
	w.mu.Unlock()
	w.poke()
	for {
		w.mu.Lock()
		done, space := w.pending == 0, w.space
		w.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-space:
		case <-ctx.Done():
			return fault.Wrap("ingest.Drain", fault.KindOf(ctx.Err()), ctx.Err(), "records were left unacknowledged")
		}
	}
}

// take waits for a reason to commit and takes what is in line.
func (w *Writer) take(ctx context.Context) ([]*entry, error) {
	var due <-chan time.Time // set when the first record came
	for {
		w.mu.Lock()
		if len(w.waiting) > 0 && (w.hurry || w.rows >= w.o.FlushRows || w.bytes >= w.o.FlushBytes) {
			return w.takeLocked(), nil
		}
		if len(w.waiting) > 0 && due == nil {
			due = w.o.Clock.After(w.o.FlushEvery)
		}
		w.mu.Unlock()
		select {
		case <-w.wake:
		case <-due:
			w.mu.Lock()
			return w.takeLocked(), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// takeLocked empties the line and unlocks. Records of lost logs go nowhere: their
// senders are told to begin anew.
func (w *Writer) takeLocked() []*entry {
	defer w.mu.Unlock()
	batch := make([]*entry, 0, len(w.waiting))
	for _, e := range w.waiting {
		if e.log.lost != nil {
			w.pending -= e.bytes
			continue
		}
		batch = append(batch, e)
	}
	w.waiting, w.rows, w.bytes, w.hurry = nil, 0, 0, false
	if len(batch) == 0 {
		w.announce()
	}
	return batch
}

// settle makes a batch durable, however often that takes, and tells its senders.
// It fails only with ctx.
func (w *Writer) settle(ctx context.Context, batch []*entry) error {
	start := w.o.Clock.Now()
	for attempt := 0; ; attempt++ {
		snap, err := w.commit(ctx, batch)
		if err == nil {
			w.o.Metrics.commitSeconds.Observe(w.o.Clock.Now().Sub(start).Seconds())
			w.settled(ctx, batch, snap)
			return nil
		}
		var conflict *delta.TxnConflictError
		if errors.As(err, &conflict) {
			// Another process, or a commit of ours whose answer was lost, moved a
			// log. The table is right; drop what it has.
			if snap, err = w.table.Refresh(ctx); err == nil {
				if batch = w.reconcile(ctx, batch, snap); len(batch) == 0 {
					return nil
				}
				continue
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.failed(ctx, err)
		if err := clock.Sleep(ctx, w.o.Clock, backoff(attempt)); err != nil {
			return err
		}
	}
}

// backoff doubles from a tenth of a second to ten seconds.
func backoff(attempt int) time.Duration {
	return min(100*time.Millisecond<<min(attempt, 10), 10*time.Second)
}

func (w *Writer) failed(ctx context.Context, err error) {
	w.mu.Lock()
	w.failures++
	w.lastErr = err
	n := w.failures
	w.mu.Unlock()
	w.o.Metrics.commitFailures.Inc()
	w.o.Log.LogAttrs(ctx, slog.LevelWarn, "commit failed", slog.Int("in_a_row", n), slog.Any("error", err))
}

// reconcile drops from a batch what the table has already.
func (w *Writer) reconcile(ctx context.Context, batch []*entry, snap *delta.Snapshot) []*entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := map[*position]int64{} // the number that must come next
	var rest []*entry
	for _, e := range batch {
		if _, seen := next[e.log]; !seen {
			t, _ := snap.Txn(e.log.key.AppID())
			next[e.log] = t.Version + 1
			w.compare(ctx, e.log, t.Version, snap.Version())
		}
		drop := min(max(next[e.log]-e.first, 0), int64(len(e.records)))
		if e.first+drop != next[e.log] && drop < int64(len(e.records)) && e.log.lost == nil {
			// The log moved on by other records than these: two processes send
			// under one name. These cannot stand behind a hole.
			e.log.lost = fault.New("ingest", fault.Unavailable, "the log moved on elsewhere; send again from record %d", next[e.log]).WithReason("INGEST_LOG_MOVED")
		}
		if e.log.lost != nil {
			drop = int64(len(e.records))
		}
		w.release(e, drop)
		if len(e.records) > 0 {
			rest = append(rest, e)
			next[e.log] = e.last() + 1
		}
	}
	w.announce()
	w.gauge()
	return rest
}

// compare sets a position by what the table says; the lock is held.
func (w *Writer) compare(ctx context.Context, p *position, inTable, version int64) {
	if inTable >= p.committed {
		p.advance(inTable, version)
		return
	}
	// Somebody replaced the table by an older one. Rows that were acknowledged are
	// gone and their sender no longer has them; this must be loud.
	p.lost = fault.New("ingest", fault.Unavailable, "the inference table went back; send again from record %d", inTable+1).WithReason("INGEST_TABLE_WENT_BACK")
	w.o.Metrics.lostRows.Add(float64(p.committed - inTable))
	w.o.Log.LogAttrs(ctx, slog.LevelError, "inference table went back", slog.String("source", p.key.Source),
		slog.Int64("epoch", p.key.Epoch), slog.Int64("acked", p.committed), slog.Int64("in_table", inTable))
}

// release takes the first n records out of an entry, with their weight.
func (w *Writer) release(e *entry, n int64) {
	var weight int64
	for _, r := range e.records[:n] {
		weight += size(r)
	}
	e.records, e.first, e.bytes = e.records[n:], e.first+n, e.bytes-weight
	w.pending -= weight
}

// noteWithin bounds the note of a commit, which a stop waits for.
const noteWithin = 5 * time.Second

// settled moves the positions and tells everybody.
func (w *Writer) settled(ctx context.Context, batch []*entry, snap *delta.Snapshot) {
	var notes []Delivery
	w.mu.Lock()
	rows := 0
	for _, e := range batch {
		e.log.advance(e.last(), snap.Version())
		e.log.delivery.Rows += int64(len(e.records))
		e.log.delivery.Sanitised += e.changed
		rows += len(e.records)
		w.pending -= e.bytes
	}
	for _, p := range w.logs {
		if p.delivery != (Delivery{Key: p.key}) {
			d := p.delivery
			d.AckedSeq, d.TableVersion = p.committed, p.version
			notes = append(notes, d)
			p.delivery = Delivery{Key: p.key}
		}
		w.forget(p)
	}
	w.failures, w.lastErr = 0, nil
	w.announce()
	w.gauge()
	w.mu.Unlock()
	w.o.Tracing.trace(batch, snap, w.o.Clock.Now())
	w.o.Metrics.rows.Add(float64(rows))
	w.o.Metrics.version.Set(float64(snap.Version()))
	w.o.Metrics.files.Set(float64(snap.NumFiles()))
	if w.o.Notes != nil && len(notes) > 0 {
		// A drain is over once the rows are durable, and ends ctx; what is noted of them must not get lost with it.
		noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteWithin)
		defer cancel()
		if err := w.o.Notes(noting, notes); err != nil {
			w.o.Log.LogAttrs(ctx, slog.LevelWarn, "deliveries not noted", slog.Any("error", err))
		}
	}
}

// advance moves a position and wakes its senders; the lock is held.
func (p *position) advance(seq, version int64) {
	if seq <= p.committed {
		return
	}
	p.committed, p.version = seq, version
	p.accepted = max(p.accepted, seq)
	close(p.moved)
	p.moved = make(chan struct{})
}

// announce wakes those that wait for room, and the senders of lost logs; the
// lock is held.
func (w *Writer) announce() {
	close(w.space)
	w.space = make(chan struct{})
	for _, p := range w.logs {
		if p.lost != nil {
			close(p.moved)
			p.moved = make(chan struct{})
		}
	}
}

// commit writes one file per partition and one commit for all of them, with the
// position of every log that has rows in it.
func (w *Writer) commit(ctx context.Context, batch []*entry) (*delta.Snapshot, error) {
	c := delta.Change{Operation: "WRITE", Parameters: map[string]string{"mode": "Append"}, DataChange: true}
	w.mu.Lock()
	steps := map[*position]*delta.TxnStep{}
	for _, e := range batch {
		s := steps[e.log]
		if s == nil {
			s = &delta.TxnStep{AppID: e.log.key.AppID(), From: e.log.committed}
			steps[e.log] = s
		}
		s.To = max(s.To, e.last())
	}
	w.mu.Unlock()
	for _, s := range steps {
		c.Txns = append(c.Txns, *s)
	}
	adds, err := w.write(ctx, batch)
	if err != nil {
		return nil, err
	}
	c.Adds = adds
	return w.table.Commit(ctx, c)
}

type partition struct {
	day      int64
	endpoint string
}

func (w *Writer) write(ctx context.Context, batch []*entry) ([]delta.Add, error) {
	groups := map[partition][]*inference.Record{}
	for _, e := range batch {
		for _, r := range e.records {
			p := partition{r.Day(), r.Endpoint}
			groups[p] = append(groups[p], r)
		}
	}
	jobs := make([]job, 0, len(groups))
	for p, records := range groups {
		jobs = append(jobs, job{p, records})
	}
	return w.writeAll(ctx, jobs)
}
