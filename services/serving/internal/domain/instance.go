package domain

import "time"

// InstanceState is where an instance is in its life, as serving sees it:
//
//	LOADING ──probed──▶ SERVING ◀──probed── RECOVERING
//	   │                   │  └────lost─────────▲ │
//	   └───unneeded──┬─────┴───────unneeded───────┘
//	                 ▼
//	              RETIRED ──acknowledged or waited──▶ UNLOADING ──unloaded──▶ gone
//	                 └──needed again──▶ LOADING
type InstanceState string

// The states of an instance.
const (
	Loading    InstanceState = "LOADING"    // wanted; being loaded or probed for the first time
	Serving    InstanceState = "SERVING"    // probed; routes may name it
	Recovering InstanceState = "RECOVERING" // was SERVING, the runtime lost it or restarts it; routes still name it
	Retired    InstanceState = "RETIRED"    // no revision needs it; gateways may still hold a table that names it
	Unloading  InstanceState = "UNLOADING"  // no gateway names it; the runtime is being told, and there is no way back
)

// Instance is one model copy at a runtime. Its id is chosen here, before anything is loaded, so that a crash between
// choosing and loading is repaired by loading again.
type Instance struct {
	ID      string
	Key     Key
	Runtime string // the peer that runs it
	State   InstanceState
	Message string // for people: what the runtime said last
	// Probed says that it has answered once since it was made: gateways may have heard of it, and what fails from now on
	// is worth repairing instead of giving up.
	Probed bool
	// RetiredRevision is the routing table's revision at retirement: once every gateway has applied it, nobody sends
	// anything new. The store fills it in, in the transaction that retires.
	RetiredRevision int64
	Since           time.Time // when it came into RETIRED or UNLOADING
	CreateTime      time.Time
}

// live reports whether the instance stands for its key: a revision that needs the key uses this one.
func (i Instance) live() bool {
	return i.State == Loading || i.State == Serving || i.State == Recovering
}
