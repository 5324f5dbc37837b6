// Package flowtest has the two doubles that tests of flows need: an inference table
// in memory and a table of grants. Everything else in those tests is real.
package flowtest

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"
)

// Row is a row of the inference table, as far as monitors look.
type Row struct {
	RequestID    string
	Endpoint     string
	At           time.Time
	ServedEntity string
	Requester    string
	Status       int64
	DurationMS   float64
	TTFTMS       float64
	InputTokens  int64
	OutputTokens int64
	PromptChars  int64
	ResponseChar int64
	Lang         string
	FinishReason string
	Stream       bool
}

// Log is an inference table in memory. Each Append is a commit. It keeps the
// contract of flow.Rows to the letter: only what was asked for, small batches whose
// slices are overwritten after use.
type Log struct {
	mu      sync.Mutex
	commits [][]Row
	// Fail, when set, is what the next scans return after their first batch.
	Fail  error
	Scans int
}

// Append commits rows; the table's version is the number of commits.
func (l *Log) Append(rows ...Row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commits = append(l.commits, rows)
}

// Requester implements flow.Requests.
func (l *Log) Requester(_ context.Context, requestID string) (principal, endpoint string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.commits {
		for _, r := range c {
			if r.RequestID == requestID {
				return r.Requester, r.Endpoint, nil
			}
		}
	}
	return "", "", fault.New("flowtest.Requester", fault.NotFound, "no such request")
}

const batchRows = 37 // no divisor of anything, so that windows straddle batches

// Scan implements flow.Rows.
func (l *Log) Scan(ctx context.Context, q flow.Query, each func(flow.Columns) error) error {
	l.mu.Lock()
	l.Scans++
	version, failure := int64(len(l.commits)), l.Fail
	var match []Row
	for v, c := range l.commits {
		if q.SinceVersion >= 0 && int64(v+1) <= q.SinceVersion {
			continue
		}
		for _, r := range c {
			in := (q.From.IsZero() || !r.At.Before(q.From)) && (q.To.IsZero() || r.At.Before(q.To))
			if r.Endpoint == q.Endpoint && in && (q.ServedEntity == "" || r.ServedEntity == q.ServedEntity) {
				match = append(match, r)
			}
		}
	}
	l.mu.Unlock()
	for len(match) > 0 {
		n := min(batchRows, len(match))
		b := batch(match[:n], q.Columns, version)
		match = match[n:]
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := each(b); err != nil {
			return err
		}
		for i := range b.RequestTime {
			b.RequestTime[i] = -1 // a kept batch would show
		}
		if failure != nil {
			return failure
		}
	}
	return nil
}

func batch(rows []Row, columns []string, version int64) flow.Columns {
	b := flow.Columns{
		Len: len(rows), TableVersion: version,
		Float64: map[string]flow.Float64s{}, Int64: map[string]flow.Int64s{}, String: map[string]flow.Strings{},
	}
	for _, r := range rows {
		b.RequestTime = append(b.RequestTime, r.At.UnixMicro())
	}
	for _, name := range columns {
		kind, known := domain.ColumnKindOf(name)
		switch {
		case !known:
			// Not filled: the flow must notice.
		case name == domain.ColumnStatusCode:
			c := flow.Int64s{}
			for _, r := range rows {
				c.Values, c.Null = append(c.Values, r.Status), append(c.Null, r.Status == 0)
			}
			b.Int64[name] = c
		case kind == domain.Categorical:
			c := flow.Strings{}
			for _, r := range rows {
				c.Values = append(c.Values, r.text(name))
			}
			b.String[name] = c
		case strings.HasSuffix(name, "_ms"):
			c := flow.Float64s{}
			for _, r := range rows {
				c.Values = append(c.Values, map[string]float64{"execution_duration_ms": r.DurationMS, "ttft_ms": r.TTFTMS}[name])
			}
			b.Float64[name] = c
		default:
			c := flow.Int64s{}
			for _, r := range rows {
				c.Values = append(c.Values, map[string]int64{
					"input_tokens": r.InputTokens, "output_tokens": r.OutputTokens, "prompt_chars": r.PromptChars, "response_chars": r.ResponseChar,
				}[name])
			}
			b.Int64[name] = c
		}
	}
	return b
}

func (r Row) text(column string) string {
	switch column {
	case "stream":
		return strconv.FormatBool(r.Stream)
	case "refusal":
		return "false"
	}
	return map[string]string{"served_entity": r.ServedEntity, "requester": r.Requester, "lang": r.Lang, "finish_reason": r.FinishReason}[column]
}
