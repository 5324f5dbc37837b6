package monitor

import (
	"net/url"
	"strings"
	"time"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
)

// Config is what an operator sets. Default is right for a laptop and for a server.
type Config struct {
	Store          Store           `yaml:"store"`
	Table          Table           `yaml:"table"`
	Ingest         Ingest          `yaml:"ingest"`
	WebhookTimeout config.Duration `yaml:"webhook_timeout" doc:"for one call of an alert's webhook"`
}

// Store says where monitors, alerts, feedback and metrics are kept.
type Store struct {
	URL config.Secret `yaml:"url" doc:"sqlite:///path/x.db or postgres://…; empty is monitor.db in the data folder"`
}

// Table is the inference table.
type Table struct {
	URL             config.Secret   `yaml:"url" doc:"folder or bucket of the Delta table: /path, s3://bucket/prefix?region=…, gs://…, azblob://…; empty is inference_log in the data folder"`
	CheckpointEvery int             `yaml:"checkpoint_every" doc:"commits between checkpoints of the table's log"`
	FileSize        config.Bytes    `yaml:"file_size" doc:"size that small files are joined up to"`
	CompactEvery    config.Duration `yaml:"compact_every" doc:"between looks for small files to join"`
	VacuumEvery     config.Duration `yaml:"vacuum_every" doc:"between looks for files to delete"`
	Retention       config.Duration `yaml:"retention" doc:"how long a file whose rows were removed is kept, for readers of older versions; also for files that a crash left"`
	JoinedRetention config.Duration `yaml:"joined_retention" doc:"how long a file is kept after its rows were joined into a larger one"`
	LogRetention    config.Duration `yaml:"log_retention" doc:"how long commits stay readable behind a checkpoint, for the table's history"`
}

// Ingest shapes how records become commits.
type Ingest struct {
	FlushInterval config.Duration `yaml:"flush_interval" doc:"longest wait of a record for its commit"`
	FlushRows     int             `yaml:"flush_rows" doc:"rows that make a commit begin before its time"`
	FlushBytes    config.Bytes    `yaml:"flush_bytes" doc:"bytes that make a commit begin before its time"`
	MaxPending    config.Bytes    `yaml:"max_pending" doc:"bytes that may wait for a commit; senders wait beyond"`
	MaxMessage    config.Bytes    `yaml:"max_message" doc:"largest batch that a sender may send at once"`
	MaxBody       config.Bytes    `yaml:"max_body" doc:"bytes of a request or response body that a row keeps; the rest is cut and the row says so"`
	TraceRatio    float64         `yaml:"trace_ratio" doc:"share of request traces that get a span of their commit: the gateway's telemetry.sample_ratio"`
}

// Default is the configuration before anybody set anything.
func Default() Config {
	return Config{
		Table: Table{
			CheckpointEvery: 100, FileSize: 128 << 20, CompactEvery: config.Duration(time.Minute), VacuumEvery: config.Duration(time.Hour),
			Retention: config.Duration(7 * 24 * time.Hour), JoinedRetention: config.Duration(24 * time.Hour), LogRetention: config.Duration(24 * time.Hour),
		},
		Ingest: Ingest{
			FlushInterval: config.Duration(500 * time.Millisecond), FlushRows: 10_000, FlushBytes: 32 << 20, MaxPending: 64 << 20,
			MaxMessage: 64 << 20, MaxBody: 8 << 20, TraceRatio: 1,
		},
		WebhookTimeout: config.Duration(10 * time.Second),
	}
}

// Validate refuses what cannot work and warns of what is unwise.
func (c Config) Validate() (warnings []string, err error) {
	bad := func(format string, args ...any) error {
		return fault.New("monitor.Config", fault.Invalid, format, args...).WithReason("CONFIG_INVALID")
	}
	for name, d := range map[string]config.Duration{
		"table.compact_every": c.Table.CompactEvery, "table.vacuum_every": c.Table.VacuumEvery, "ingest.flush_interval": c.Ingest.FlushInterval,
	} {
		if d <= 0 {
			return nil, bad("monitor.%s must be above 0", name)
		}
	}
	for name, d := range map[string]config.Duration{
		"retention": c.Table.Retention, "joined_retention": c.Table.JoinedRetention, "log_retention": c.Table.LogRetention,
	} {
		if d.Std() < time.Hour {
			return nil, bad("monitor.table.%s must be an hour at least: readers and writers of this moment need the files", name)
		}
	}
	switch {
	case c.Table.CheckpointEvery < 1:
		return nil, bad("monitor.table.checkpoint_every must be 1 at least")
	case c.Table.FileSize < 1<<20:
		return nil, bad("monitor.table.file_size must be 1MiB at least")
	case c.Ingest.FlushRows < 1 || c.Ingest.FlushBytes < 1 || c.Ingest.MaxBody < 1:
		return nil, bad("monitor.ingest.flush_rows, flush_bytes and max_body must be above 0")
	case c.Ingest.MaxPending < c.Ingest.FlushBytes:
		return nil, bad("monitor.ingest.max_pending must not be below flush_bytes: a commit would never begin by size")
	case c.Ingest.TraceRatio < 0 || c.Ingest.TraceRatio > 1:
		return nil, bad("monitor.ingest.trace_ratio must be from 0 to 1")
	case c.Ingest.MaxMessage < 1<<20:
		return nil, bad("monitor.ingest.max_message must be 1MiB at least")
	}
	if raw := c.Table.URL.Reveal(); raw != "" {
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "" && !strings.Contains("file s3 gs azblob mem", u.Scheme) {
			return nil, bad("monitor.table.url must be a folder or a bucket: /path, s3://, gs://, azblob://")
		}
		if u.Scheme == "mem" {
			warnings = append(warnings, "monitor.table.url is in memory: the inference table is gone when the process ends")
		}
	}
	if c.Ingest.FlushInterval.Std() > 10*time.Second {
		warnings = append(warnings, "monitor.ingest.flush_interval above 10s: senders keep records that long, and queries do not see them")
	}
	return warnings, nil
}
