package flow

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"
	"github.com/slipway-ai/slipway/services/monitor/internal/ingest"
)

// LogAudit is the state of the inference table and of the logs that fill it.
type LogAudit struct {
	Sources    []SourceAudit
	TableURI   string
	Version    int64
	Files      int
	Rows       int64 // by the files' statistics
	Bytes      int64
	LastCommit time.Time // zero when the history was cleaned away
}

// SourceAudit is one log. Rows and Distinct are counted in the table, and only
// when the audit was asked to verify.
type SourceAudit struct {
	SourceID       string
	Epoch          int64
	AckedSeq       int64
	Rows, Distinct int64
}

// AuditLog tells what is durable. With verify it reads the table: each log must
// have as many rows as it was acknowledged, each with an id of its own.
//
// It fails with DataLoss when the second witness knows of acknowledged records
// that the table does not have: no number in an answer could say that loudly
// enough.
func (f *Inferences) AuditLog(ctx context.Context, verify bool) (LogAudit, error) {
	const op = "flow.AuditLog"
	if p, _ := auth.From(ctx); !p.IsAdmin() {
		return LogAudit{}, fault.New(op, fault.PermissionDenied, "the audit is for administrators")
	}
	s, err := f.Table.Refresh(ctx)
	if err != nil {
		return LogAudit{}, tableFault(op, err)
	}
	out := LogAudit{TableURI: f.Table.Store().URL(), Version: s.Version(), Files: s.NumFiles(), Bytes: s.Bytes()}
	out.Rows, _ = s.NumRecords()
	if history, err := f.Table.Commits(ctx, 1); err == nil && len(history) == 1 {
		out.LastCommit = time.UnixMilli(history[0].Info.Timestamp).UTC()
	}
	inTable := map[ingest.Key]int64{}
	for t := range s.Txns() {
		if k, ok := ingest.ParseAppID(t.AppID); ok {
			inTable[k] = t.Version
			out.Sources = append(out.Sources, SourceAudit{SourceID: k.Source, Epoch: k.Epoch, AckedSeq: t.Version})
		}
	}
	slices.SortFunc(out.Sources, func(a, b SourceAudit) int {
		return cmp.Or(strings.Compare(a.SourceID, b.SourceID), cmp.Compare(a.Epoch, b.Epoch))
	})
	if err := f.witness(ctx, inTable); err != nil {
		return LogAudit{}, err
	}
	if verify {
		err = f.count(ctx, s, out.Sources)
	}
	return out, tableFault(op, err)
}

// witness compares the table with what was acknowledged.
func (f *Inferences) witness(ctx context.Context, inTable map[ingest.Key]int64) error {
	known, err := f.Sources.ListSources(ctx)
	if err != nil {
		return err
	}
	var lost []string
	for _, k := range known {
		if have := inTable[ingest.Key{Source: k.SourceID, Epoch: k.Epoch}]; have < k.AckedSeq {
			lost = append(lost, fmt.Sprintf("log %s/%d was acknowledged up to %d, the table holds it up to %d", k.SourceID, k.Epoch, k.AckedSeq, have))
		}
	}
	if len(lost) > 0 {
		return fault.New("flow.AuditLog", fault.DataLoss, "%s", strings.Join(lost, "; ")).WithReason("ACKNOWLEDGED_ROWS_MISSING")
	}
	return nil
}

// count reads the table. Ids are kept as 16 bytes each and sorted: exact, and a
// tenth of what a set of strings would take.
func (f *Inferences) count(ctx context.Context, s *delta.Snapshot, sources []SourceAudit) error {
	ids := map[ingest.Key][][16]byte{}
	columns := []string{inference.ColSource, inference.ColEpoch, inference.ColRequestID}
	for p, err := range f.Table.Scan(ctx, s, delta.Query{Columns: columns}) {
		if err != nil {
			return err
		}
		for i := range p.Rows() {
			k := ingest.Key{Source: p.Columns[0].Strings[i], Epoch: p.Columns[1].Ints[i]}
			ids[k] = append(ids[k], digest(p.Columns[2].Strings[i]))
		}
	}
	for i := range sources {
		all := ids[ingest.Key{Source: sources[i].SourceID, Epoch: sources[i].Epoch}]
		slices.SortFunc(all, func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) })
		sources[i].Rows = int64(len(all))
		sources[i].Distinct = int64(len(slices.Compact(all)))
	}
	return nil
}

// digest is a UUID as its bytes, and any other text as a hash.
func digest(id string) [16]byte {
	if len(id) == 36 {
		if u, err := uuid.Parse(id); err == nil {
			return u
		}
	}
	sum := sha256.Sum256([]byte(id))
	return [16]byte(sum[:16])
}
