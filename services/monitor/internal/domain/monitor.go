package domain

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// What a monitor is given when its creator does not say.
const (
	DefaultMinRows         = 30
	DefaultFDR             = 0.05
	DefaultRefreshInterval = time.Minute
)

// Monitor watches the inference table of one endpoint: it profiles its windows,
// compares them with a baseline, and opens alerts.
type Monitor struct {
	Name        string // unique, never changes
	Endpoint    string // never changes
	Granularity Granularity
	Columns     []string // never empty once Complete
	Thresholds  []Threshold
	Webhooks    []Webhook

	Baseline     Window // zero until set
	BaselineRows int64

	MinRows         int           // fewer values than this on either side are not compared
	FDR             float64       // false-discovery rate over the columns of one window
	RefreshInterval time.Duration // 0: on demand only

	// Version counts the changes that make computed metrics outdated or the alerts
	// different; rows say under which version they were computed.
	Version    int64
	Owner      string
	CreateTime time.Time
	UpdateTime time.Time

	LastRefreshTime time.Time
	LastError       string // why the last refresh failed; empty when it did not
	// TableVersion is the inference table's version up to which all rows are in the
	// metrics; negative when nothing is, or everything must be computed again.
	TableVersion int64
	// EvaluatedFrom is the start of the newest tumbling window whose thresholds were
	// evaluated; zero before the first.
	EvaluatedFrom time.Time
}

// Webhook is where alerts are told. Its secret is not here: the store keeps it and
// gives it to nobody but the sender.
type Webhook struct {
	URL       string
	HasSecret bool
}

// NothingRead is the TableVersion of a monitor that has read nothing yet.
const NothingRead = -1

// Complete fills what was left open: granularity, columns, thresholds, the least
// rows and the false-discovery rate. The refresh interval has no such rule here,
// because 0 means something.
func (m *Monitor) Complete() {
	if m.Granularity == 0 {
		m.Granularity = DefaultGranularity
	}
	if len(m.Columns) == 0 {
		m.Columns = StandardColumns()
	}
	if m.MinRows == 0 {
		m.MinRows = DefaultMinRows
	}
	if m.FDR == 0 {
		m.FDR = DefaultFDR
	}
	if len(m.Thresholds) == 0 {
		m.Thresholds = []Threshold{{Metric: MetricDrifted, Severity: SeverityCritical}}
	}
	for i := range m.Thresholds {
		m.Thresholds[i] = m.Thresholds[i].Complete()
	}
}

// Validate says what is wrong with a completed monitor, in the words of the caller.
func (m Monitor) Validate() error {
	const op = "monitor.Validate"
	if m.Name == "" || m.Endpoint == "" {
		return fault.New(op, fault.Invalid, "a monitor needs a name and an endpoint").WithReason("MONITOR_INVALID")
	}
	if err := m.Granularity.Validate(); err != nil {
		return err
	}
	for i, c := range m.Columns {
		if _, known := ColumnKindOf(c); !known {
			return fault.New(op, fault.Invalid, "column %q cannot be watched; known are %s", c, strings.Join(columnNames(), ", ")).WithReason("COLUMN_UNKNOWN")
		}
		if slices.Contains(m.Columns[:i], c) {
			return fault.New(op, fault.Invalid, "column %q is named twice", c).WithReason("COLUMN_REPEATED")
		}
	}
	if m.MinRows < 1 {
		return fault.New(op, fault.Invalid, "min_rows must be at least 1").WithReason("MIN_ROWS_INVALID")
	}
	if !(m.FDR > 0 && m.FDR < 1) {
		return fault.New(op, fault.Invalid, "fdr must lie between 0 and 1").WithReason("FDR_INVALID")
	}
	if m.RefreshInterval < 0 || m.RefreshInterval > 0 && m.RefreshInterval < time.Second {
		return fault.New(op, fault.Invalid, "refresh_interval must be 0 (on demand) or at least 1 s").WithReason("REFRESH_INTERVAL_INVALID")
	}
	seen := map[string]bool{}
	for i, t := range m.Thresholds {
		if err := t.Validate(m.Columns); err != nil {
			return err
		}
		if seen[t.Key()] {
			return fault.New(op, fault.Invalid, "threshold %d repeats another", i+1).WithReason("THRESHOLD_REPEATED")
		}
		seen[t.Key()] = true
	}
	return validateWebhooks(m.Webhooks)
}

func validateWebhooks(hooks []Webhook) error {
	const op = "monitor.Validate"
	seen := map[string]bool{}
	for i, w := range hooks {
		u, err := url.Parse(w.URL)
		// The text never repeats the address: it may carry a token.
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fault.New(op, fault.Invalid, "webhook %d needs an http or https URL with a host", i+1).WithReason("WEBHOOK_URL_INVALID")
		}
		if u.User != nil {
			return fault.New(op, fault.Invalid, "webhook %d must not carry a user or password in its URL; use the secret", i+1).WithReason("WEBHOOK_URL_INVALID")
		}
		if seen[w.URL] {
			return fault.New(op, fault.Invalid, "webhook %d repeats another's URL", i+1).WithReason("WEBHOOK_REPEATED")
		}
		seen[w.URL] = true
	}
	return nil
}

// HasBaseline tells whether there is something to compare with.
func (m Monitor) HasBaseline() bool { return !m.Baseline.IsZero() }

// Outdates tells whether changing from m to next makes the computed metrics
// something that next would not compute.
func (m Monitor) Outdates(next Monitor) bool {
	return m.Granularity != next.Granularity || m.MinRows != next.MinRows || m.FDR != next.FDR ||
		!m.Baseline.Equal(next.Baseline) || !slices.Equal(m.Columns, next.Columns)
}
