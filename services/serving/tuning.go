package serving

import "time"

// What nobody needs to tune.
const (
	heartbeat    = 15 * time.Second // of the registry's event stream, as its contract says
	firstRetry   = 200 * time.Millisecond
	longestRetry = 30 * time.Second
)
