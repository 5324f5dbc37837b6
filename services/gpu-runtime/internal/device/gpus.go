package device

import "fmt"

// gpus reads the NVIDIA cards. The library is opened at the first reading that finds one and kept: starting it takes
// longer than everything else.
type gpus struct {
	library string
	lib     *nvml
}

func (g *gpus) close() {
	if g.lib != nil {
		g.lib.shutdown()
		g.lib = nil
	}
}

// read lists the cards. One that cannot be read becomes a note and does not hide the others.
func (g *gpus) read() ([]Device, []string) {
	if g.lib == nil {
		lib, err := openNVML(g.library)
		if err != nil {
			return nil, []string{err.Error()}
		}
		g.lib = lib
	}
	driver, _ := text(g.lib.driver)
	var n uint32
	if err := g.lib.check("counting the GPUs", g.lib.count(&n)); err != nil {
		g.close() // the driver may have been replaced under us; the next reading starts it anew
		return nil, []string{err.Error()}
	}
	if n == 0 {
		return nil, []string{"the NVIDIA driver is there but finds no GPU"}
	}
	var cards []Device
	var notes []string
	for i := range n {
		d, note, err := g.card(i)
		if err != nil {
			notes = append(notes, fmt.Sprintf("GPU %d: %v", i, err))
			continue
		}
		if note != "" {
			notes = append(notes, note)
		}
		d.Driver = driver
		cards = append(cards, d)
	}
	return cards, notes
}

func (g *gpus) card(i uint32) (d Device, note string, err error) {
	var h uintptr
	if err := g.lib.check("opening it", g.lib.handle(i, &h)); err != nil {
		return d, "", err
	}
	var code int32
	d = Device{Kind: NVIDIA, Utilization: -1}
	if d.ID, code = text(func(b *byte, n uint32) int32 { return g.lib.uuid(h, b, n) }); code != nvmlSuccess {
		return d, "", g.lib.check("reading its UUID", code)
	}
	d.Name, _ = text(func(b *byte, n uint32) int32 { return g.lib.name(h, b, n) })
	var m nvmlMemory
	if err := g.lib.check("reading its memory", g.lib.memory(h, &m)); err != nil {
		return d, "", err
	}
	d.MemoryTotal, d.MemoryFree = int64(m.total), int64(m.free)
	var u nvmlUtilization
	if g.lib.utilization(h, &u) == nvmlSuccess { // not supported on some cards and under MIG
		d.Utilization = int(u.gpu)
	}
	var now, pending uint32
	if g.lib.migMode(h, &now, &pending) == nvmlSuccess && now == 1 {
		note = d.ID + " is divided by MIG; its slices are not listed"
	}
	return d, note, nil
}

// processMemory is what a process uses on a card.
func (g *gpus) processMemory(uuid string, pid int) (int64, bool) {
	if g.lib == nil {
		return 0, false
	}
	var h uintptr
	if g.lib.handleByUUID(uuid, &h) != nvmlSuccess {
		return 0, false
	}
	for room := uint32(32); room <= 4096; room *= 4 {
		list := make([]nvmlProcess, room)
		n := room
		switch g.lib.processes(h, &n, &list[0]) {
		case nvmlSuccess:
			for _, p := range list[:min(n, room)] {
				if int(p.pid) == pid && p.usedMemory != ^uint64(0) {
					return int64(p.usedMemory), true
				}
			}
			return 0, false
		case nvmlInsufficientSize:
		default:
			return 0, false
		}
	}
	return 0, false
}
