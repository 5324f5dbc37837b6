package flow

import (
	"context"
	"errors"
	"log/slog"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
	"github.com/slipway-ai/slipway/services/monitor/internal/ingest"
	"github.com/slipway-ai/slipway/services/monitor/internal/store"
)

// SourceMemory is the second witness of what was acknowledged; see
// store.SourceStore.
type SourceMemory interface {
	NoteDelivery(ctx context.Context, ds []store.Delivery) error
	Source(ctx context.Context, sourceID string, epoch int64) (store.Source, error)
	ListSources(ctx context.Context) ([]store.Source, error)
}

// Ingest takes the records of request logs.
type Ingest struct {
	Writer  *ingest.Writer
	Sources SourceMemory
	Clock   clock.Clock
	Log     *slog.Logger
	// Lost hears of acknowledged rows that the table does not have.
	Lost func(rows int64)
}

const longestSource = 128

// Open begins a delivery of one log by an internal caller.
func (f *Ingest) Open(ctx context.Context, sourceID string, epoch int64) (*ingest.Stream, error) {
	const op = "flow.IngestRecords"
	if p, _ := auth.From(ctx); p.Kind != auth.Internal {
		return nil, fault.New(op, fault.PermissionDenied, "request logs are taken from services of the platform only")
	}
	if err := checkSource(sourceID, epoch); err != nil {
		return nil, err
	}
	s, err := f.Writer.Open(ctx, ingest.Key{Source: sourceID, Epoch: epoch})
	if err != nil {
		return nil, err
	}
	f.compare(ctx, sourceID, epoch, s)
	return s, nil
}

// compare asks the second witness. A table that knows less than was acknowledged
// is an incident; but what the sender still has must be taken all the same.
func (f *Ingest) compare(ctx context.Context, sourceID string, epoch int64, s *ingest.Stream) {
	acked, _, _, err := s.Acked()
	if err != nil {
		return
	}
	known, err := f.Sources.Source(ctx, sourceID, epoch)
	if err != nil || known.AckedSeq <= acked { // a witness that cannot be asked says nothing
		return
	}
	f.Log.LogAttrs(ctx, slog.LevelError, "inference table lacks acknowledged rows", slog.String("source", sourceID),
		slog.Int64("epoch", epoch), slog.Int64("acked", known.AckedSeq), slog.Int64("in_table", acked))
	if f.Lost != nil {
		f.Lost(known.AckedSeq - acked)
	}
}

func checkSource(id string, epoch int64) error {
	const op = "flow.IngestRecords"
	bad := id == "" || len(id) > longestSource || !utf8.ValidString(id)
	for _, r := range id {
		bad = bad || !unicode.IsPrint(r)
	}
	if bad {
		return fault.New(op, fault.Invalid, "source_id is 1 to %d bytes of printable text", longestSource).WithReason("INGEST_SOURCE_INVALID")
	}
	if epoch < 0 {
		return fault.New(op, fault.Invalid, "epoch is not negative").WithReason("INGEST_SOURCE_INVALID")
	}
	return nil
}

// Put stands records in line. Records that left a gap are FailedPrecondition and
// the text names the number that is expected.
func (f *Ingest) Put(ctx context.Context, s *ingest.Stream, first int64, records []*inference.Record) error {
	err := s.Put(ctx, first, records)
	var gap *ingest.GapError
	if errors.As(err, &gap) {
		return fault.Wrap("flow.IngestRecords", fault.FailedPrecondition, err, "record %d is expected, the batch begins with %d", gap.Expected, gap.Got).
			WithReason("INGEST_SEQUENCE_GAP")
	}
	return err
}

// Note is for ingest.Options.Notes.
func (f *Ingest) Note(ctx context.Context, ds []ingest.Delivery) error {
	now := f.Clock.Now()
	out := make([]store.Delivery, len(ds))
	for i, d := range ds {
		out[i] = store.Delivery{
			SourceID: d.Key.Source, Epoch: d.Key.Epoch, AckedSeq: d.AckedSeq, TableVersion: d.TableVersion, Rows: d.Rows,
			Duplicates: d.Duplicates, Gaps: d.Gaps, Sanitised: d.Sanitised, At: now,
		}
	}
	return f.Sources.NoteDelivery(ctx, out)
}
