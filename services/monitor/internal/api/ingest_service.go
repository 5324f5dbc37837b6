package api

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
	"github.com/slipway-ai/slipway/services/monitor/internal/ingest"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

// IngestService is slipway.monitor.v1.IngestService over the ingest of records.
type IngestService struct {
	monitorv1.UnimplementedIngestServiceServer
	Flow *flow.Ingest
}

// drainWait bounds the commit of what a stream has in line when the server stops.
const drainWait = 10 * time.Second

// Ingest implements the RPC. One goroutine receives and stands records in line;
// this one sends acknowledgements as commits are made. When too much is in line
// the receiver waits, messages fill the stream's window, and the sender waits:
// that is all the flow control there is.
func (s *IngestService) Ingest(stream grpc.BidiStreamingServer[monitorv1.IngestRequest, monitorv1.IngestResponse]) error {
	ctx := stream.Context()
	first, err := stream.Recv()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	log, err := s.Flow.Open(ctx, first.GetSourceId(), first.GetEpoch())
	if err != nil {
		return err
	}
	defer log.Close()
	d := &delivery{flow: s.Flow, stream: stream, log: log, source: first.GetSourceId(), epoch: first.GetEpoch()}
	if err := d.ack(); err != nil { // what we have, before anything is sent again
		return err
	}
	received := make(chan error, 1)
	d.again = make(chan struct{}, 1)
	go func() { received <- d.receive(ctx, first) }()
	return d.acknowledge(ctx, received)
}

// delivery is one stream.
type delivery struct {
	flow   *flow.Ingest
	stream grpc.BidiStreamingServer[monitorv1.IngestRequest, monitorv1.IngestResponse]
	log    *ingest.Stream
	source string
	epoch  int64
	sent   int64         // the last acknowledgement
	again  chan struct{} // records came that are durable already: say so again
}

// receive stands records in line until the sender has no more; nil then.
func (d *delivery) receive(ctx context.Context, req *monitorv1.IngestRequest) error {
	for {
		if req.GetSourceId() != d.source || req.GetEpoch() != d.epoch {
			return fault.New("api.Ingest", fault.Invalid, "a stream carries one log: source_id and epoch may not change").WithReason("INGEST_SOURCE_CHANGED")
		}
		if n := len(req.GetRecords()); n > 0 {
			records := make([]*inference.Record, n)
			for i, r := range req.GetRecords() {
				records[i] = recordFrom(r)
			}
			if err := d.flow.Put(ctx, d.log, req.GetFirstSeq(), records); err != nil {
				return err
			}
			if seq, _, _, err := d.log.Acked(); err == nil && req.GetFirstSeq()+int64(n)-1 <= seq {
				select {
				case d.again <- struct{}{}:
				default:
				}
			}
		}
		var err error
		req, err = d.stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// acknowledge sends positions as they move, until the sender has no more and all
// is durable, or something fails, or the server stops.
func (d *delivery) acknowledge(ctx context.Context, received <-chan error) error {
	for {
		seq, _, moved, err := d.log.Acked()
		if err != nil {
			return err
		}
		if seq > d.sent {
			if err := d.ack(); err != nil {
				return err
			}
			continue
		}
		select {
		case <-moved:
		case <-d.again:
			if err := d.ack(); err != nil {
				return err
			}
		case err := <-received:
			if err != nil {
				return err
			}
			return d.finish(ctx)
		case <-rpc.Draining(ctx):
			ctx, cancel := context.WithTimeout(ctx, drainWait)
			defer cancel()
			if err := d.finish(ctx); err != nil {
				return err
			}
			return fault.New("api.Ingest", fault.Unavailable, "the monitor is stopping; come back with the records after the last acknowledgement").WithReason("INGEST_STOPPING")
		}
	}
}

// finish makes what is in line durable and says so for the last time.
func (d *delivery) finish(ctx context.Context) error {
	if err := d.log.Flush(ctx); err != nil {
		return err
	}
	return d.ack()
}

func (d *delivery) ack() error {
	seq, version, _, err := d.log.Acked()
	if err != nil {
		return err
	}
	d.sent = seq
	return d.stream.Send(&monitorv1.IngestResponse{AckedSeq: seq, TableVersion: version})
}
