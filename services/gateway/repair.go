package gateway

import "github.com/slipway-ai/slipway/services/gateway/internal/wal"

// LogRepair is what RepairLog found and did.
type LogRepair struct {
	Segments, Damaged, Gaps int    // files looked at, files rewritten, damaged places
	LostRows                uint64 // rows that are gone and that the monitor had not acknowledged
	Kept                    string // folder of the damaged originals
}

// RepairLog makes a damaged request log readable again with what is whole in it. The gateway must not be running: a log in
// use is refused with FailedPrecondition.
func RepairLog(dir string) (LogRepair, error) {
	r, err := wal.Repair(dir)
	return LogRepair{Segments: r.Segments, Damaged: r.Damaged, Gaps: r.Gaps, LostRows: r.LostRows, Kept: "damaged"}, err
}
