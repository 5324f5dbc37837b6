// Package ship carries finished requests from the gateway's log to the monitor, each exactly once.
//
// Neither end can do that alone. The shipper sends every row under a number that never changes and sends it again until it is
// acknowledged; the monitor stores the highest number together with the rows, in one commit, and drops what it has already.
// So a broken stream, a restart of either side, or an acknowledgement that was lost on the way costs a repetition and never a
// row. A stream begins with the monitor saying what it has: rows that were stored while nobody could say so are not sent again.
package ship

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/backoff"
	"github.com/slipway-ai/slipway/services/gateway/internal/journal"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

// Options of a Shipper. The zero value of a number means its default.
type Options struct {
	Log *wal.Log
	// Row puts a row of the log together.
	Row     func(wal.Row) (*monitorv1.InferenceRecord, error)
	Monitor grpc.ClientConnInterface
	Clock   clock.Clock
	Logger  *slog.Logger
	// BatchRows and BatchBytes bound a message: 256 rows, 1 MiB. A single row may be larger.
	BatchRows  int
	BatchBytes int
	// MaxRow bounds a single row; 3 MiB, so that it fits into a gRPC message of the default size with room to spare. The
	// bodies of a larger one are cut, and the row says so: a row that cannot be shipped would hold up all behind it.
	MaxRow int
	// Linger is how long a row may wait for others to share its message; 20 ms.
	Linger time.Duration
	// Backoff is how long to wait between tries.
	Backoff backoff.Backoff
}

// Shipper reads one log.
type Shipper struct {
	opt     Options
	shipped atomic.Uint64
	streams atomic.Uint64
	buffers pool

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every acknowledgement
}

// New returns a shipper that waits for Run.
func New(o Options) *Shipper {
	if o.BatchRows <= 0 {
		o.BatchRows = 256
	}
	if o.BatchBytes <= 0 {
		o.BatchBytes = 1 << 20
	}
	if o.MaxRow <= 0 {
		o.MaxRow = 3 << 20
	}
	if o.Linger <= 0 {
		o.Linger = 20 * time.Millisecond
	}
	return &Shipper{opt: o, changed: make(chan struct{})}
}

// Shipped is how many rows were sent, repetitions included; Streams how many streams it took.
func (s *Shipper) Shipped() uint64 { return s.shipped.Load() }

// Streams is how many streams were opened.
func (s *Shipper) Streams() uint64 { return s.streams.Load() }

// Run ships until ctx ends. It gives up for no error: the log holds what cannot be shipped, and says when it is full.
func (s *Shipper) Run(ctx context.Context) error {
	ctx = auth.With(ctx, auth.Service("gateway"))
	wait := s.opt.Backoff
	for {
		err := s.session(ctx, wait.Reset)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // an ended context is how the shipper stops
		}
		if errors.Is(err, errNextEpoch) {
			continue
		}
		pause := wait.Next()
		s.opt.Logger.WarnContext(ctx, "request log shipping interrupted", "error", err, "pending", s.opt.Log.Stats().Pending, "retry_in", pause.Round(time.Millisecond))
		if clock.Sleep(ctx, s.opt.Clock, pause) != nil {
			return nil //nolint:nilerr // as above
		}
	}
}

// Drain waits until the monitor has stored every finished request, or ctx ends.
func (s *Shipper) Drain(ctx context.Context) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		stats := s.opt.Log.Stats()
		if stats.Acked == stats.Logged {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fault.Wrap("ship.Drain", fault.DeadlineExceeded, context.Cause(ctx), "%d rows are not with the monitor yet; the log keeps them", stats.Logged-stats.Acked)
		}
	}
}

// errNextEpoch ends a session whose epoch is finished: the next one ships the log's next epoch.
var errNextEpoch = errors.New("the epoch is shipped")

// session is one stream: it ships the rows of one epoch, from the first that is not acknowledged.
func (s *Shipper) session(ctx context.Context, came func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reader := s.opt.Log.ReadPending()
	defer reader.Close()
	first, err := reader.Next(ctx) // a stream needs an epoch, and only a row has one
	if err != nil {
		return err
	}
	stream, err := monitorv1.NewIngestServiceClient(s.opt.Monitor).Ingest(ctx, grpc.ForceCodecV2(codec{}))
	if err != nil {
		return err
	}
	s.streams.Add(1)
	e := &epoch{Shipper: s, stream: stream, number: first.Epoch, base: first.Number - first.Seq, came: came}
	if err := e.greet(first); err != nil {
		return err
	}
	acks := make(chan error, 1)
	go func() { acks <- e.receive(cancel) }()
	err = e.send(ctx, reader, first)
	if err != nil {
		cancel() // the receiver then ends too; its error is the truer one when the stream broke
	}
	if ackErr := <-acks; ackErr != nil && (err == nil || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled)) {
		return ackErr
	}
	return err
}

// epoch is a stream that carries the rows of one epoch.
type epoch struct {
	*Shipper
	stream grpc.BidiStreamingClient[monitorv1.IngestRequest, monitorv1.IngestResponse]
	number uint64
	base   uint64 // what to add to a number of the epoch for the log's own
	came   func()
	last   atomic.Uint64 // the epoch's last row, once it is known; the stream ends when it is acknowledged
}

// greet opens the conversation and hears what the monitor has.
func (e *epoch) greet(first wal.Row) error {
	if err := e.stream.SendMsg(e.message(first.Seq)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	m, err := e.stream.Recv()
	if err != nil {
		return err
	}
	e.came()
	return e.acknowledge(m.GetAckedSeq())
}

func (e *epoch) message(seq uint64) *batch {
	return newBatch(&e.buffers, e.opt.Log.Source(), e.number, seq)
}

// acknowledge passes what the monitor has to the log. A monitor that has more than the log ever wrote knows another log under
// our name: one that was since set back. Nothing can be shipped then without doubling or losing rows, so it is an error that
// stays until a person decides.
func (e *epoch) acknowledge(seq int64) error {
	if seq <= 0 {
		return nil
	}
	if err := e.opt.Log.Ack(e.base + uint64(seq)); err != nil {
		if fault.Is(err, fault.Invalid) {
			return fault.Wrap("ship.acknowledge", fault.DataLoss, err,
				"the monitor has %d rows of epoch %d, more than this log holds: the log was set back; move it away and start a new one", seq, e.number).
				WithReason("REQUEST_LOG_SET_BACK")
		}
		return err
	}
	e.mu.Lock()
	close(e.changed)
	e.changed = make(chan struct{})
	e.mu.Unlock()
	return nil
}

// receive takes acknowledgements until the stream ends.
func (e *epoch) receive(cancel context.CancelFunc) error {
	defer cancel()
	for {
		m, err := e.stream.Recv()
		if err != nil {
			return err
		}
		e.came()
		if err := e.acknowledge(m.GetAckedSeq()); err != nil {
			return err
		}
		if last := e.last.Load(); last > 0 && m.GetAckedSeq() >= int64(last) {
			return errNextEpoch
		}
	}
}

// send ships rows from first on, as they come.
func (e *epoch) send(ctx context.Context, reader *wal.Reader, first wal.Row) error {
	row, have := first, true
	for {
		if !have {
			var err error
			if row, err = reader.Next(ctx); err != nil {
				return err
			}
		}
		have = false
		if row.Epoch != e.number {
			return e.finish(ctx, row)
		}
		if row.Number <= e.opt.Log.Stats().Acked {
			continue // stored before this stream began
		}
		message, next, more, err := e.gather(ctx, reader, row)
		if err != nil {
			return err
		}
		rows := uint64(message.rows)
		if err := e.stream.SendMsg(message); err != nil {
			return err
		}
		e.shipped.Add(rows)
		row, have = next, more
	}
}

// gather puts a message together: rows that are there, and rows that come within the linger. A row that does not go with the
// others, since it is of the next epoch or there is no room, ends it and is returned for later.
func (e *epoch) gather(ctx context.Context, reader *wal.Reader, row wal.Row) (message *batch, next wal.Row, more bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	waiting := false
	message = e.message(row.Seq)
	for {
		if message.rows > 0 && message.size()+len(row.Begin)+len(row.End) > e.opt.BatchBytes {
			return message, row, true, nil
		}
		if err := e.add(message, row); err != nil {
			return nil, row, false, err
		}
		if message.rows >= e.opt.BatchRows {
			return message, row, false, nil
		}
		var ok bool
		if row, ok, err = reader.TryNext(); err != nil {
			return nil, row, false, err
		}
		if !ok {
			if !waiting {
				waiting = true
				go e.expire(ctx, cancel)
			}
			if row, err = reader.Next(ctx); errors.Is(err, errLate) {
				return message, row, false, nil
			} else if err != nil {
				return nil, row, false, err
			}
		}
		if row.Epoch != e.number {
			return message, row, true, nil
		}
	}
}

// add puts a row into a message, nearly always as the bytes that the log holds.
func (e *epoch) add(message *batch, row wal.Row) error {
	if !row.Lost && len(row.Begin)+len(row.End) <= e.opt.MaxRow {
		message.add(row.Begin, row.End)
		return nil
	}
	record, err := e.opt.Row(row)
	if err != nil {
		return err
	}
	journal.Cut(record, e.opt.MaxRow/4)
	whole, err := proto.Marshal(record)
	if err != nil {
		return fault.Wrap("ship.add", fault.Internal, err, "row %d cannot be shipped", row.Number)
	}
	message.add(whole, nil)
	return nil
}

// expire ends the wait of gather when the linger has passed.
func (e *epoch) expire(ctx context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-e.opt.Clock.After(e.opt.Linger):
		cancel(errLate)
	case <-ctx.Done():
	}
}

var errLate = errors.New("no company came")

// finish waits until the epoch that ends before next is acknowledged.
func (e *epoch) finish(ctx context.Context, next wal.Row) error {
	e.last.Store(next.Number - 1 - e.base)
	if e.opt.Log.Stats().Acked >= next.Number-1 {
		return errNextEpoch
	}
	<-ctx.Done() // the receiver ends the session, one way or the other
	return context.Cause(ctx)
}
