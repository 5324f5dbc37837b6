package device

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// host reads a Linux machine through its /proc and /sys, given as a file system so that tests can bring their own.
type host struct {
	root  fs.FS
	cores int // what the scheduler lets us use
}

func thisHost() host { return host{root: os.DirFS("/"), cores: runtime.NumCPU()} }

// cpu describes processor and memory. On a machine without /proc it still names the cores.
func (h host) cpu() (Device, []string) {
	d := Device{ID: CPUID, Kind: CPU, Name: h.processorName(), Cores: h.cores, Utilization: -1}
	if n, ok := h.cpuQuota(); ok && n < d.Cores {
		d.Cores = n
	}
	total, free, ok := h.memory()
	if !ok {
		return d, []string{"the machine's memory cannot be read from /proc/meminfo"}
	}
	d.MemoryTotal, d.MemoryFree = total, free
	if limit, used, ok := h.cgroupMemory(); ok && limit < total {
		d.MemoryTotal = limit
		d.MemoryFree = min(free, max(0, limit-used))
	}
	return d, nil
}

func (h host) processorName() string {
	b, err := fs.ReadFile(h.root, "proc/cpuinfo")
	if err == nil {
		for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
			key, value, _ := strings.Cut(s.Text(), ":")
			if k := strings.TrimSpace(key); k == "model name" || k == "Model" {
				return strings.TrimSpace(value)
			}
		}
	}
	return runtime.GOARCH + " processor"
}

// memory is MemTotal and MemAvailable in bytes.
func (h host) memory() (total, free int64, ok bool) {
	b, err := fs.ReadFile(h.root, "proc/meminfo")
	if err != nil {
		return 0, 0, false
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 2 {
			continue
		}
		n, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			continue
		}
		switch f[0] {
		case "MemTotal:":
			total = n << 10
		case "MemAvailable:":
			free = n << 10
		}
	}
	return total, free, total > 0
}

// ticks are the machine's processor counters.
type ticks struct{ total, idle int64 }

func (h host) ticks() (ticks, bool) {
	b, err := fs.ReadFile(h.root, "proc/stat")
	if err != nil {
		return ticks{}, false
	}
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line)
	if len(f) < 6 || f[0] != "cpu" {
		return ticks{}, false
	}
	var t ticks
	for i, x := range f[1:min(len(f), 9)] { // guest time is counted in user time already
		n, err := strconv.ParseInt(x, 10, 64)
		if err != nil {
			return ticks{}, false
		}
		t.total += n
		if i == 3 || i == 4 { // idle, iowait
			t.idle += n
		}
	}
	return t, true
}
