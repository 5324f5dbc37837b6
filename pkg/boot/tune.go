package boot

import (
	"os"
	"runtime/debug"
)

// collectAt is how far the heap may grow beyond what is alive before it is collected, in percent. The services hold little
// and allocate per request: a collection at double the little is mostly overhead.
const collectAt = 400

// Tune sets the collector of a long-running program. The operator's GOGC wins.
func Tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
}
