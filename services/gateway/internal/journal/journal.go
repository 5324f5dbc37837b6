// Package journal writes requests into the gateway's log and reads them out again as rows.
//
// The log (package wal) knows only bytes. A row is one monitor.v1.InferenceRecord written in two halves: what is known when
// the request is admitted goes into its BEGIN, what is known when it ends into its END. Both halves are encodings of the same
// message, and protobuf defines the concatenation of two encodings as their merge; so a prompt is written once, and putting a
// row together costs no more than reading it.
package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

// The codes that say why a row is not all that was said.
const (
	RequestTooLarge     = "MAX_REQUEST_SIZE_EXCEEDED"  // the request body was cut
	ResponseTooLarge    = "MAX_RESPONSE_SIZE_EXCEEDED" // the answer was cut
	PayloadShed         = "PAYLOAD_SHED"               // a body was left out because the log was nearly full
	ResponseNotCaptured = "RESPONSE_NOT_CAPTURED"      // the gateway died before the end
	LogRepaired         = "LOG_REPAIRED"               // with it: the true end may have been lost to damage; the row may be there twice
	RowLost             = "ROW_LOST"                   // damage took the row; only its number is known
	InvalidUTF8         = "INVALID_UTF8"               // the body was no text
)

// Journal writes one log.
type Journal struct {
	log        *wal.Log
	durability wal.Durability
	maxBody    int
	clock      clock.Clock
}

// Options of a journal.
type Options struct {
	WAL wal.Options // Orphan is the journal's to set
	// Lean does not wait for the disk before an answer's last byte is released.
	Lean bool
	// MaxBody is how much of a request and of an answer a row keeps; 1 MiB.
	MaxBody int
	Clock   clock.Clock
}

// Open opens the log and closes the requests of a process that died.
func Open(o Options) (*Journal, error) {
	if o.MaxBody <= 0 {
		o.MaxBody = 1 << 20
	}
	o.WAL.Orphan = orphan
	log, err := wal.Open(o.WAL)
	if err != nil {
		return nil, err
	}
	j := &Journal{log: log, maxBody: o.MaxBody, clock: o.Clock}
	if o.Lean {
		j.durability = wal.Lean
	}
	return j, nil
}

// Log is the log itself, for who ships it and who audits it.
func (j *Journal) Log() *wal.Log { return j.log }

// Begin writes the first half of a row. r is the journal's to change from here on, but its byte slices stay as they are.
// fault.Unavailable when the log takes no more; the request must then be refused.
func (j *Journal) Begin(r *monitorv1.InferenceRecord) (wal.Ticket, error) {
	rec, err := j.encode("journal.Begin", r)
	if err != nil {
		return wal.Ticket{}, err
	}
	return j.log.Begin(rec)
}

// End writes the second half. Unless the journal is lean, the row is on the disk when it returns.
func (j *Journal) End(t wal.Ticket, r *monitorv1.InferenceRecord) error {
	rec, err := j.encode("journal.End", r)
	if err != nil {
		return err
	}
	_, err = j.log.End(t, rec, j.durability)
	return err
}

// Whole writes a row at once, for a request that was refused where it stood. It does not wait for the disk: nothing was
// answered that could be lost.
func (j *Journal) Whole(r *monitorv1.InferenceRecord) error {
	rec, err := j.encode("journal.Whole", r)
	if err != nil {
		return err
	}
	_, err = j.log.Whole(rec, wal.Lean)
	return err
}

func (j *Journal) encode(op string, r *monitorv1.InferenceRecord) (*wal.Record, error) {
	j.trim(r)
	rec := j.log.Record()
	err := rec.AppendWith(func(dst []byte) ([]byte, error) { return proto.MarshalOptions{}.MarshalAppend(dst, r) })
	if err != nil {
		return nil, fault.Wrap(op, fault.Internal, err, "the request cannot be logged")
	}
	return rec, nil
}

// trim cuts bodies to what a row keeps, and makes text of what must be text.
func (j *Journal) trim(r *monitorv1.InferenceRecord) {
	if len(r.Request)+len(r.Response)+len(r.ResponseText) > 0 && j.log.Level() >= wal.Shed {
		r.Request, r.Response, r.ResponseText = nil, nil, ""
		r.LoggingErrorCodes = append(r.LoggingErrorCodes, PayloadShed)
	}
	Cut(r, j.maxBody)
	for _, s := range [...]*string{&r.ClientRequestId, &r.Endpoint, &r.SessionId, &r.ResponseText, &r.FinishReason, &r.ErrorReason, &r.Requester} {
		if !utf8.ValidString(*s) {
			*s = strings.ToValidUTF8(*s, "\ufffd")
		}
	}
}

// Cut shortens each body of a row to n bytes, and says so in the row.
func Cut(r *monitorv1.InferenceRecord, n int) {
	if len(r.Request) > n {
		r.Request = cut(r.Request, n)
		r.LoggingErrorCodes = append(r.LoggingErrorCodes, RequestTooLarge)
	}
	if len(r.Response) > n || len(r.ResponseText) > n {
		r.Response, r.ResponseText = cut(r.Response, n), cut(r.ResponseText, n)
		r.LoggingErrorCodes = append(r.LoggingErrorCodes, ResponseTooLarge)
	}
}

// cut shortens text to n bytes or a little less, never inside a character.
func cut[T string | []byte](text T, n int) T {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// orphan is the second half of a request whose process died.
func orphan(_ []byte, uncertain bool) []byte {
	r := &monitorv1.InferenceRecord{LoggingErrorCodes: []string{ResponseNotCaptured}}
	if uncertain {
		r.LoggingErrorCodes = append(r.LoggingErrorCodes, LogRepaired)
	}
	end, _ := proto.Marshal(r) // constants: it cannot fail
	return end
}

// Row puts a row of the log together.
func (j *Journal) Row(row wal.Row) (*monitorv1.InferenceRecord, error) {
	if row.Lost {
		return &monitorv1.InferenceRecord{
			RequestId: lostID(j.log.Source(), row), RequestTime: timestamppb.New(j.clock.Now()), TrafficBucket: -1, LoggingErrorCodes: []string{RowLost},
		}, nil
	}
	r := new(monitorv1.InferenceRecord)
	for _, half := range [...][]byte{row.Begin, row.End} {
		if err := (proto.UnmarshalOptions{Merge: true}).Unmarshal(half, r); err != nil {
			return nil, fault.Wrap("journal.Row", fault.DataLoss, err, "row %d of the request log cannot be read", row.Number)
		}
	}
	return r, nil
}

// lostID gives a lost row an id of its own that is the same whenever the row is shipped: a UUID of version 8.
func lostID(source string, row wal.Row) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d/%d", source, row.Epoch, row.Seq))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Close closes the log.
func (j *Journal) Close() error { return j.log.Close() }
