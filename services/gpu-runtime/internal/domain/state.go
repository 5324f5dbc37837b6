package domain

import "slices"

// State is where an instance is in its life:
//
//	Loading ──► Ready ◄──► Restarting
//	   │          │             │
//	   │          └──► Draining ◄┘        unloading begins
//	   └──────────────►   │
//	any but Stopped ──► Failed            gone for good, until it is unloaded
//	Draining, Failed ──► Stopped          forgotten
type State int

// The states.
const (
	Loading State = iota + 1
	Ready
	Restarting
	Draining
	Failed
	Stopped
)

// String is the state's name.
func (s State) String() string {
	if s < Loading || s > Stopped {
		return "UNKNOWN"
	}
	return [...]string{"LOADING", "READY", "RESTARTING", "DRAINING", "FAILED", "STOPPED"}[s-1]
}

var next = map[State][]State{
	Loading:    {Ready, Draining, Failed},
	Ready:      {Restarting, Draining, Failed},
	Restarting: {Ready, Draining, Failed},
	Draining:   {Stopped, Failed},
	Failed:     {Draining, Stopped},
}

// May reports whether an instance may go from one state to another.
func (s State) May(to State) bool { return slices.Contains(next[s], to) }

// Answers reports whether requests may be sent: now, or after a moment.
func (s State) Answers() bool { return s == Ready || s == Restarting }
