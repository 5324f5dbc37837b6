package flow

import (
	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/services/gateway/internal/wal"
)

// RequestLog is the gateway's write-ahead log, as far as it tells about itself.
type RequestLog interface {
	Stats() wal.Stats
	Source() string
	Epoch() uint64
}

// LogStatus is how the request log stands.
type LogStatus struct {
	Source string
	Epoch  uint64
	wal.Stats
}

// RequestLogStatus tells how the log stands. Admins only.
func RequestLogStatus(caller auth.Principal, log RequestLog) (LogStatus, error) {
	if err := admin("flow.RequestLogStatus", caller); err != nil {
		return LogStatus{}, err
	}
	return LogStatus{Source: log.Source(), Epoch: log.Epoch(), Stats: log.Stats()}, nil
}
