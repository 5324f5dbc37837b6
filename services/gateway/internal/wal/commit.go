package wal

import (
	"os"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// round is one sync and everybody who waits for it.
type round struct {
	done chan struct{}
	err  error // valid once done is closed
}

func newRound() *round { return &round{done: make(chan struct{})} }

// nudge wakes the committer; a wake-up that is already under way serves this caller too.
func (l *Log) nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// commit is the one goroutine that syncs. While a sync runs, the appends that arrive gather behind it and share the next.
func (l *Log) commit() {
	defer l.committer.Done()
	for {
		select {
		case <-l.stop:
			l.sync()
			return
		case <-l.urgent:
			l.gather()
		case <-l.lazy:
			// A lean append waits for company: for a strict one, or for the interval to pass.
			late := time.NewTimer(l.opt.SyncInterval)
			select {
			case <-l.urgent:
			case <-late.C:
			case <-l.stop:
				l.sync()
				return
			}
			late.Stop()
		}
		l.sync()
	}
}

// crowd is how many strict appends shared the last sync when the next one is worth a moment's wait, and moment is that wait.
// Where many callers append, a sync a little later serves many more of them: it costs them all less than it delays each.
const (
	crowd  = 4
	moment = 300 * time.Microsecond
)

func (l *Log) gather() {
	l.mu.Lock()
	wait := l.last >= crowd && l.waiters < 2*l.last
	l.mu.Unlock()
	if !wait {
		return
	}
	t := time.NewTimer(moment)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.stop:
	}
}

func (l *Log) sync() {
	l.mu.Lock()
	l.last, l.waiters = l.waiters, 0
	done, retired := l.round, l.retired
	l.round, l.retired = newRound(), nil
	upTo, row, file := at(l.active().ordinal, l.active().size), l.logged, l.file
	need := upTo != l.durable && l.failed == nil
	l.mu.Unlock()

	var err error
	if need {
		err = syncData(file)
	}
	l.mu.Lock()
	if need {
		l.syncs++
	}
	switch {
	case err != nil:
		l.fail(err)
	case upTo > l.durable:
		l.durable, l.durableTo = upTo, row
	}
	done.err = l.failed
	l.progressed()
	l.mu.Unlock()
	close(done.done)
	closeAll(retired)
}

// progressed tells the readers; the lock is held.
func (l *Log) progressed() {
	close(l.progress)
	l.progress = make(chan struct{})
}

// fail stops the log for good; the lock is held. After a failed sync the kernel may have dropped the dirty pages, and a
// second sync that succeeds would say nothing about them. Only reading the file again, which Open does, tells what is there.
func (l *Log) fail(err error) {
	if l.failed != nil {
		return
	}
	l.failed = fault.Wrap("wal.sync", fault.Unavailable, err, "the request log has failed and must be opened again").
		WithReason("REQUEST_LOG_FAILED")
	l.opt.Log.Error("request log failed", "error", err)
}

// Failed is nil while the log works.
func (l *Log) Failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// Close syncs what has been written and lets go of the directory. Appends and readers fail from here on; requests that have
// no END yet get one when the log is opened again.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	close(l.stop)
	l.committer.Wait()

	l.ackMu.Lock()
	defer l.ackMu.Unlock()
	if seq := l.Stats().Acked; seq > 0 {
		if err := l.keepAck(seq); err != nil {
			l.opt.Log.Warn("acknowledgement not kept", "error", err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	failed := l.failed
	if failed == nil {
		l.failed = fault.New("wal.close", fault.Unavailable, "the request log is closed").WithReason("REQUEST_LOG_CLOSED")
		// An append that slipped in behind the last sync is synced here; whoever waits for it is told the truth.
		if failed = l.trim(l.active()); failed == nil {
			failed = l.file.Sync()
		}
	}
	l.round.err = l.failed
	close(l.round.done)
	l.progressed()
	closeAll(append(l.retired, l.file))
	unlock(l.lock)
	return failed
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // synced before: nothing is left that a close could lose
	}
}
