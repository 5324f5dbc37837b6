package ledger

import (
	"sync"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Room is a device's memory as its driver or kernel tells it now.
type Room struct {
	Total int64 // bytes that models may ever use
	Free  int64 // bytes nobody uses at this moment
}

// Ledger holds the reservations of one node. The zero value is not usable; New makes one.
//
//	Reserve ──► Commit ──► Release      a model that runs
//	Reserve ─────────────► Release      a load that failed
type Ledger struct {
	mu      sync.Mutex
	entries map[string]entry
}

type entry struct {
	device    string
	bytes     int64
	committed bool
}

// New is an empty ledger.
func New() *Ledger { return &Ledger{entries: map[string]entry{}} }

// Reserve takes need bytes on a device for id, if they are at most share of what is free there. It refuses with
// ResourceExhausted, naming both numbers, and with AlreadyExists when id holds memory already.
func (l *Ledger) Reserve(id, device string, need int64, room Room, share float64) error {
	const op = "ledger.Reserve"
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.entries[id]; ok {
		return fault.New(op, fault.AlreadyExists, "%s holds memory already", id)
	}
	free := l.free(device, room)
	if limit := int64(float64(free) * share); need > limit {
		return fault.New(op, fault.ResourceExhausted, "the model needs %s on %s, where %s are free, of which it may take %s", Size(need), device, Size(free), Size(limit)).
			WithReason("OUT_OF_MEMORY")
	}
	l.entries[id] = entry{device: device, bytes: need}
	return nil
}

// Fits reports whether Reserve would succeed now.
func (l *Ledger) Fits(device string, need int64, room Room, share float64) bool {
	return need <= int64(float64(l.Free(device, room))*share)
}

// Commit replaces a reservation by what was observed. Calling it again follows a need that grew. For an id that holds
// nothing it does nothing: the model was released meanwhile.
func (l *Ledger) Commit(id string, observed int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.entries[id]; ok {
		e.bytes, e.committed = max(observed, 0), true
		l.entries[id] = e
	}
}

// Release gives the memory of id back. Releasing twice is releasing once.
func (l *Ledger) Release(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.entries, id)
}

// Held is what id holds.
func (l *Ledger) Held(id string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries[id].bytes
}

// Reserved is what all models hold on a device.
func (l *Ledger) Reserved(device string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum, _ := l.sums(device)
	return sum
}

// Free is what may still be given away on a device.
func (l *Ledger) Free(device string, room Room) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.free(device, room)
}

// free is the smaller of two truths. By the books: all there is, less what was given. By the machine: what is unused now,
// less what was promised and is not in use yet; what committed models use is missing from it already, and so is whatever
// other programs took.
func (l *Ledger) free(device string, room Room) int64 {
	held, promised := l.sums(device)
	return max(0, min(room.Total-held, room.Free-promised))
}

func (l *Ledger) sums(device string) (held, promised int64) {
	for _, e := range l.entries {
		if e.device != device {
			continue
		}
		held += e.bytes
		if !e.committed {
			promised += e.bytes
		}
	}
	return held, promised
}
