// Package device tells what this machine can compute on: its processor and memory, always, and its NVIDIA GPUs when there
// is a driver. What cannot be read is said in a note and not guessed: "no NVIDIA driver on this machine" is an answer.
package device

import "sync"

// Kind is what computes.
type Kind int

// The kinds.
const (
	CPU Kind = iota + 1
	NVIDIA
)

// CPUID is the id of the processor, which every machine has one of.
const CPUID = "cpu"

// Device is something models can be loaded on.
type Device struct {
	ID          string // CPUID, or the GPU's UUID, which unlike an index survives a reboot
	Kind        Kind
	Name        string
	MemoryTotal int64 // bytes; for the CPU what this process may use, cgroup limits included
	MemoryFree  int64 // bytes nobody uses now
	Cores       int   // 0 for a GPU
	Driver      string
	Utilization int // percent, -1 when unknown
}

// Inventory is all devices, the CPU first, and what could not be read.
type Inventory struct {
	Devices []Device
	Notes   []string
}

// Find is the device with an id.
func (i Inventory) Find(id string) (Device, bool) {
	for _, d := range i.Devices {
		if d.ID == id {
			return d, true
		}
	}
	return Device{}, false
}

// Reader reads the inventory. It keeps the driver's library open between readings and remembers the processor's counters,
// since utilization is the difference of two. Safe for concurrent use.
type Reader struct {
	mu   sync.Mutex
	host host
	gpu  gpus
	last ticks
	util int
}

// NewReader reads this machine. nvmlLibrary is the driver's library, "" for its usual name.
func NewReader(nvmlLibrary string) *Reader {
	if nvmlLibrary == "" {
		nvmlLibrary = "libnvidia-ml.so.1"
	}
	return &Reader{host: thisHost(), gpu: gpus{library: nvmlLibrary}, util: -1}
}

// Read is the inventory now. It never fails: a machine has at least a processor.
func (r *Reader) Read() Inventory {
	r.mu.Lock()
	defer r.mu.Unlock()
	var inv Inventory
	cpu, notes := r.host.cpu()
	cpu.Utilization = r.busy()
	inv.Devices = append(inv.Devices, cpu)
	inv.Notes = append(inv.Notes, notes...)
	cards, notes := r.gpu.read()
	inv.Devices = append(inv.Devices, cards...)
	inv.Notes = append(inv.Notes, notes...)
	return inv
}

// ProcessMemory is what a process uses on a GPU, in bytes; ok is false when the driver does not say.
func (r *Reader) ProcessMemory(deviceID string, pid int) (bytes int64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gpu.processMemory(deviceID, pid)
}

// Close lets the driver's library go.
func (r *Reader) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gpu.close()
}

// busy is the processor's utilization since the reading before, -1 at the first.
func (r *Reader) busy() int {
	now, ok := r.host.ticks()
	if !ok {
		return -1
	}
	if r.last.total > 0 && now.total > r.last.total {
		r.util = int(100 * (now.total - r.last.total - (now.idle - r.last.idle)) / (now.total - r.last.total))
	}
	r.last = now
	return min(max(r.util, -1), 100)
}
