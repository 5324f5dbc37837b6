package wal

import (
	"os"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Ack notes that the monitor has stored all rows up to seq for good, and deletes the segments that nobody needs any more.
// An older ack than the last is no error and changes nothing. fault.Invalid when seq was never shipped. The acknowledgement is
// kept on the disk soon, not at once: without it rows are shipped again after a crash, and the monitor knows them.
func (l *Log) Ack(seq uint64) error {
	const op = "wal.ack"
	l.ackMu.Lock()
	defer l.ackMu.Unlock()
	l.mu.Lock()
	if seq > l.durableTo {
		last := l.durableTo
		l.mu.Unlock()
		return fault.New(op, fault.Invalid, "row %d is acknowledged, but the log ends at %d", seq, last)
	}
	if l.closed || seq <= l.acked {
		l.mu.Unlock()
		return nil
	}
	l.acked = seq
	spent := l.spent()
	l.weigh()
	l.mu.Unlock()

	// Segments say themselves what was acknowledged before them, so they may go before the file is written.
	if now := time.Now(); now.Sub(l.keptAt) >= keepEvery {
		l.keptAt = now
		if err := l.keepAck(seq); err != nil {
			return err
		}
	}
	for _, s := range spent {
		if err := os.Remove(s.path); err != nil {
			return fault.Wrap(op, fault.Unavailable, err, "a finished segment cannot be removed")
		}
	}
	return nil
}

// keepEvery bounds how many rows are shipped again after a crash, by time.
const keepEvery = 500 * time.Millisecond

func (l *Log) keepAck(seq uint64) error {
	if err := writeAtomic(l.opt.Dir, ackedFile, acked{Epoch: l.epoch, Seq: seq}); err != nil {
		return fault.Wrap("wal.ack", fault.Unavailable, err, "the acknowledgement cannot be kept")
	}
	return nil
}

// spent takes the finished segments off the front of the list; the lock is held. A segment is finished when all its rows are
// acknowledged, all its requests have an END, and no END that is still to be shipped points into it.
func (l *Log) spent() []*segment {
	needed := l.active().ordinal
	for _, s := range l.segments {
		if s.logged > l.acked {
			needed = min(needed, s.lowRef, s.ordinal)
		} else if s.open > 0 {
			needed = min(needed, s.ordinal)
		}
	}
	n := 0
	for l.segments[n].ordinal < needed {
		l.bytes -= l.segments[n].size
		n++
	}
	spent := l.segments[:n:n]
	l.segments = l.segments[n:]
	return spent
}
