package inference

import (
	"math"
	"strings"
	"time"

	"github.com/slipway-ai/slipway/services/monitor/internal/delta"
)

// Names of columns that queries speak about.
const (
	ColRequestID       = "request_id"
	ColClientRequestID = "client_request_id"
	ColRequestDate     = "request_date"
	ColRequestTime     = "request_time"
	ColEndpoint        = "endpoint"
	ColServedEntity    = "served_entity_id"
	ColRequester       = "requester"
	ColStatusCode      = "status_code"
	ColSource          = "wal_source"
	ColEpoch           = "wal_epoch"
	ColSeq             = "wal_seq"
	ColRequest         = "request"
	ColResponse        = "response"
	ColResponseText    = "response_text"
	colRequestBytes    = "request_bytes"
	colResponseBytes   = "response_bytes"
)

// column is one column of the table and its way in and out of a record.
type column struct {
	field delta.Field
	put   func(v *delta.Vector, r *Record)
	get   func(v *delta.Vector, i int, r *Record)
}

// columns are the table, in the order of the table. Small columns come first and
// the bodies last, so that a reader of the small ones reads one stretch of a file.
var columns = []column{
	str(ColRequestID, "id given by the gateway, UUIDv7", func(r *Record) *string { return &r.RequestID }),
	str(ColClientRequestID, "the caller's own id", func(r *Record) *string { return &r.ClientRequestID }),
	str("trace_id", "W3C trace id", func(r *Record) *string { return &r.TraceID }),
	str("span_id", "W3C span id", func(r *Record) *string { return &r.SpanID }),
	{
		field: delta.Field{Name: ColRequestDate, Type: delta.Of(delta.Date), Nullable: true, Comment: "day of request_time, UTC; partition"},
		put:   func(v *delta.Vector, r *Record) { v.AppendInt(r.Day()) },
		get:   func(*delta.Vector, int, *Record) {},
	},
	{
		field: delta.Field{Name: ColRequestTime, Type: delta.Of(delta.Timestamp), Nullable: true, Comment: "when the request was admitted"},
		put:   func(v *delta.Vector, r *Record) { v.AppendInt(r.RequestTime.UnixMicro()) },
		get:   func(v *delta.Vector, i int, r *Record) { r.RequestTime = time.UnixMicro(v.Ints[i]).UTC() },
	},
	str(ColEndpoint, "endpoint; null when none could be told; partition", func(r *Record) *string { return &r.Endpoint }),
	str("task", "chat, completions, embeddings", func(r *Record) *string { return &r.Task }),
	str(ColServedEntity, "served entity that answered", func(r *Record) *string { return &r.ServedEntity }),
	str("model_name", "catalog.schema.model, or the external model's name", func(r *Record) *string { return &r.ModelName }),
	str("model_version", "models:/catalog.schema.model/version, or the external model's name", func(r *Record) *string { return &r.ModelVersion }),
	str("prompt_version", "prompts:/catalog.schema.prompt/version", func(r *Record) *string { return &r.PromptVersion }),
	{
		field: delta.Field{Name: "traffic_bucket", Type: delta.Of(delta.Integer), Nullable: true, Comment: "sticky hash bucket, 0 to 9999"},
		put: func(v *delta.Vector, r *Record) {
			if r.TrafficBucket < 0 {
				v.AppendNull()
			} else {
				v.AppendInt(r.TrafficBucket)
			}
		},
		get: func(v *delta.Vector, i int, r *Record) {
			if r.TrafficBucket = v.Ints[i]; v.Null(i) {
				r.TrafficBucket = -1
			}
		},
	},
	num("config_revision", delta.Long, "revision of the routes in force", func(r *Record) *int64 { return &r.ConfigRevision }),
	str(ColRequester, "principal that asked", func(r *Record) *string { return &r.Requester }),
	str("session_id", "session that the caller named", func(r *Record) *string { return &r.SessionID }),
	flag("stream", "whether the answer was streamed", func(r *Record) *bool { return &r.Stream }),
	opt(ColStatusCode, delta.Integer, "HTTP status; 499 when the caller went away; null when the process died before the end", func(r *Record) *int64 { return &r.StatusCode }),
	str("error_reason", "reason of an error, UPPER_SNAKE", func(r *Record) *string { return &r.ErrorReason }),
	millis("execution_duration_ms", "admission to last byte", func(r *Record) *int64 { return &r.ExecutionDuration }),
	millis("ttft_ms", "admission to first token", func(r *Record) *int64 { return &r.TTFT }),
	millis("tpot_ms", "per output token after the first, of streams", func(r *Record) *int64 { return &r.TPOT }),
	millis("queue_ms", "waited for a slot", func(r *Record) *int64 { return &r.Queue }),
	num("input_tokens", delta.Long, "tokens read", func(r *Record) *int64 { return &r.InputTokens }),
	num("output_tokens", delta.Long, "tokens written", func(r *Record) *int64 { return &r.OutputTokens }),
	num("cached_tokens", delta.Long, "input tokens that the provider had cached", func(r *Record) *int64 { return &r.CachedTokens }),
	flag("usage_estimated", "token counts are our estimate", func(r *Record) *bool { return &r.UsageEstimated }),
	str("finish_reason", "why the answer ended", func(r *Record) *string { return &r.FinishReason }),
	flag("refusal", "the model declined to answer", func(r *Record) *bool { return &r.Refusal }),
	num(colRequestBytes, delta.Long, "size of the request body, also when it was cut", func(r *Record) *int64 { return &r.RequestBytes }),
	num(colResponseBytes, delta.Long, "size of the answer, also when it was cut", func(r *Record) *int64 { return &r.ResponseBytes }),
	num("prompt_chars", delta.Long, "characters of the last user message", func(r *Record) *int64 { return &r.PromptChars }),
	num("response_chars", delta.Long, "characters of the answer's text", func(r *Record) *int64 { return &r.ResponseChars }),
	str("lang", "language of the prompt, BCP 47, und when unsure", func(r *Record) *string { return &r.Lang }),
	float("lang_conf", "how sure lang is, 0 to 1", func(r *Record) *float64 { return &r.LangConfidence }),
	str("response_lang", "language of the answer, BCP 47", func(r *Record) *string { return &r.ResponseLang }),
	num("message_count", delta.Integer, "messages in the request", func(r *Record) *int64 { return &r.Messages }),
	num("tool_count", delta.Integer, "tools offered", func(r *Record) *int64 { return &r.Tools }),
	num("tool_calls", delta.Integer, "tool calls made", func(r *Record) *int64 { return &r.ToolCalls }),
	opt("max_tokens", delta.Long, "limit that the request set", func(r *Record) *int64 { return &r.MaxTokens }),
	{
		field: delta.Field{Name: "temperature", Type: delta.Of(delta.Double), Nullable: true, Comment: "temperature that the request set"},
		put: func(v *delta.Vector, r *Record) {
			if r.Temperature == nil {
				v.AppendNull()
			} else {
				v.AppendFloat(*r.Temperature)
			}
		},
		get: func(v *delta.Vector, i int, r *Record) {
			if !v.Null(i) {
				r.Temperature = &v.Floats[i]
			}
		},
	},
	{
		field: delta.Field{Name: "logging_error_codes", Type: delta.ArrayOf(delta.String), Nullable: true, Comment: "why the row is not all that was sent"},
		put:   func(v *delta.Vector, r *Record) { v.AppendStrings(r.LoggingErrorCodes) },
		get: func(v *delta.Vector, i int, r *Record) {
			if codes := v.StringsAt(i); len(codes) > 0 {
				r.LoggingErrorCodes = codes
			}
		},
	},
	{
		field: delta.Field{Name: "extras", Type: delta.MapOf(delta.String, delta.String), Nullable: true, Comment: "fields of the request body that have no column"},
		put: func(v *delta.Vector, r *Record) {
			for _, e := range r.extras() {
				if *e.value != "" {
					v.AppendPair(e.key, *e.value)
				}
			}
			v.EndRow()
		},
		get: func(v *delta.Vector, i int, r *Record) {
			from, to := v.Row(i)
			for _, e := range r.extras() {
				for k := from; k < to; k++ {
					if v.Keys.Strings[k] == e.key {
						*e.value = v.Elems.Strings[k]
					}
				}
			}
		},
	},
	str(ColSource, "log that shipped the row", func(r *Record) *string { return &r.Source }),
	num(ColEpoch, delta.Long, "epoch of that log", func(r *Record) *int64 { return &r.Epoch }),
	num(ColSeq, delta.Long, "the row's number in that epoch", func(r *Record) *int64 { return &r.Seq }),
	str(ColRequest, "request body", func(r *Record) *string { return &r.Request }),
	str(ColResponse, "response body", func(r *Record) *string { return &r.Response }),
	str(ColResponseText, "text of the answer", func(r *Record) *string { return &r.ResponseText }),
}

type extra struct {
	key   string
	value *string
}

func (r *Record) extras() [3]extra {
	return [3]extra{{"model", &r.RequestedModel}, {"user", &r.EndUser}, {"response_format", &r.ResponseFormat}}
}

// str is a text column; the empty string is null.
func str(name, comment string, at func(*Record) *string) column {
	return column{
		field: delta.Field{Name: name, Type: delta.Of(delta.String), Nullable: true, Comment: comment},
		put: func(v *delta.Vector, r *Record) {
			if s := *at(r); s == "" {
				v.AppendNull()
			} else {
				v.AppendString(s)
			}
		},
		get: func(v *delta.Vector, i int, r *Record) { *at(r) = v.Strings[i] },
	}
}

// num is a column of whole numbers in which zero is a number.
func num(name string, kind delta.Kind, comment string, at func(*Record) *int64) column {
	return column{
		field: delta.Field{Name: name, Type: delta.Of(kind), Nullable: true, Comment: comment},
		put:   func(v *delta.Vector, r *Record) { v.AppendInt(fit(kind, *at(r))) },
		get:   func(v *delta.Vector, i int, r *Record) { *at(r) = v.Ints[i] },
	}
}

// opt is a column of whole numbers in which zero means that there is none.
func opt(name string, kind delta.Kind, comment string, at func(*Record) *int64) column {
	c := num(name, kind, comment, at)
	put := c.put
	c.put = func(v *delta.Vector, r *Record) {
		if *at(r) == 0 {
			v.AppendNull()
		} else {
			put(v, r)
		}
	}
	return c
}

// fit keeps a number within its column.
func fit(kind delta.Kind, x int64) int64 {
	if kind == delta.Integer {
		return min(max(x, math.MinInt32), math.MaxInt32)
	}
	return x
}

// millis is a column of milliseconds with their microseconds behind the point.
// No time is null, but for the whole duration, which every row has.
func millis(name, comment string, at func(*Record) *int64) column {
	zero := name == "execution_duration_ms" || name == "queue_ms"
	return column{
		field: delta.Field{Name: name, Type: delta.Of(delta.Double), Nullable: true, Comment: "milliseconds: " + comment},
		put: func(v *delta.Vector, r *Record) {
			if us := *at(r); us == 0 && !zero {
				v.AppendNull()
			} else {
				v.AppendFloat(float64(us) / 1000)
			}
		},
		get: func(v *delta.Vector, i int, r *Record) { *at(r) = int64(math.Round(v.Floats[i] * 1000)) },
	}
}

func float(name, comment string, at func(*Record) *float64) column {
	return column{
		field: delta.Field{Name: name, Type: delta.Of(delta.Double), Nullable: true, Comment: comment},
		put:   func(v *delta.Vector, r *Record) { v.AppendFloat(*at(r)) },
		get:   func(v *delta.Vector, i int, r *Record) { *at(r) = v.Floats[i] },
	}
}

func flag(name, comment string, at func(*Record) *bool) column {
	return column{
		field: delta.Field{Name: name, Type: delta.Of(delta.Boolean), Nullable: true, Comment: comment},
		put:   func(v *delta.Vector, r *Record) { v.AppendBool(*at(r)) },
		get:   func(v *delta.Vector, i int, r *Record) { *at(r) = v.Bools[i] },
	}
}

// partitions are the columns whose values stand in paths and the log.
var partitions = []string{ColRequestDate, ColEndpoint}

// Spec is the table as it is created. Properties may be added by the caller.
func Spec() delta.Spec {
	s := &delta.Schema{}
	for _, c := range columns {
		s.Fields = append(s.Fields, c.field)
	}
	return delta.Spec{
		Name: "inference_log", Description: "One row for each request to an endpoint.",
		Schema: s, PartitionBy: partitions, Properties: map[string]string{},
	}
}

// TableOptions are the habits that fit these columns.
func TableOptions() delta.Options {
	return delta.Options{
		Engine: "slipway-monitor/1",
		Dictionary: []string{
			"task", ColServedEntity, "model_name", "model_version", "prompt_version", ColRequester, ColStatusCode, "error_reason",
			"finish_reason", "lang", "response_lang", ColSource, ColEpoch, "config_revision", "max_tokens", "temperature",
			"message_count", "tool_count", "tool_calls", "logging_error_codes",
		},
		Bloom: []string{ColRequestID, ColClientRequestID, "trace_id"},
		Stats: []string{
			ColRequestID, ColClientRequestID, "trace_id", ColRequestTime, ColServedEntity, ColRequester, ColStatusCode,
			"execution_duration_ms", "input_tokens", "output_tokens", ColSource, ColEpoch, ColSeq,
		},
	}
}

// Batch makes the file columns of records of one partition.
func Batch(records []*Record) *delta.Batch {
	b := delta.NewBatch(fileSchema, len(records))
	k := 0
	for i := range columns {
		if partition(columns[i].field.Name) {
			continue
		}
		for _, r := range records {
			columns[i].put(b.Columns[k], r)
		}
		k++
	}
	return b
}

var fileSchema = Spec().Schema.Without(partitions...)

func partition(name string) bool { return name == ColRequestDate || name == ColEndpoint }

// AllColumns are the names of the columns that make a record; without bodies
// they leave out the three large ones.
func AllColumns(bodies bool) []string {
	var names []string
	for _, c := range columns {
		switch c.field.Name {
		case ColRequest, ColResponse, ColResponseText:
			if !bodies {
				continue
			}
		}
		names = append(names, c.field.Name)
	}
	return names
}

// At makes a record of row i of a batch, from the columns that the batch has.
func At(b *delta.Batch, i int) *Record {
	r := &Record{TrafficBucket: -1}
	for k, f := range b.Schema.Fields {
		if c := find(f.Name); c != nil && !b.Columns[k].Null(i) {
			c.get(b.Columns[k], i, r)
		}
	}
	return r
}

func find(name string) *column {
	i, ok := byName[name]
	if !ok {
		return nil
	}
	return &columns[i]
}

var byName = func() map[string]int {
	m := make(map[string]int, len(columns))
	for i, c := range columns {
		m[c.field.Name] = i
	}
	return m
}()

// Partition is the partition values of a record.
func Partition(day int64, endpoint string) map[string]any {
	p := map[string]any{ColRequestDate: day, ColEndpoint: nil}
	if endpoint != "" {
		p[ColEndpoint] = strings.Clone(endpoint)
	}
	return p
}
