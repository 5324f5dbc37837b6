package device

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// A process in a container may have far less than the machine: its control groups say how much. Limits hold for every
// group on the way from the process to the root, so the smallest counts. Version 2 has one tree, version 1 one per
// controller; inside a container the path of the process is often not visible, and then the mounted root is its group.

// groupPath is the process's group in a controller's tree: "" is version 2.
func (h host) groupPath(controller string) (string, bool) {
	b, err := fs.ReadFile(h.root, "proc/self/cgroup")
	if err != nil {
		return "", false
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		if parts[1] == controller || controller != "" && containsWord(parts[1], controller) {
			return parts[2], true
		}
	}
	return "", false
}

func containsWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// groups calls visit with each folder from the process's group up to the root of the tree at base.
func (h host) groups(base, group string, visit func(dir string)) {
	for p := path.Clean("/" + group); ; p = path.Dir(p) {
		dir := path.Join(base, strings.TrimPrefix(p, "/"))
		if _, err := fs.Stat(h.root, dir); err == nil {
			visit(dir)
		}
		if p == "/" {
			return
		}
	}
}

// number reads a file that holds one number; "max" and absent files are no limit.
func (h host) number(file string) (int64, bool) {
	b, err := fs.ReadFile(h.root, file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}

// statistic reads one value of a "key value" file.
func (h host) statistic(file, key string) int64 {
	b, err := fs.ReadFile(h.root, file)
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if f := strings.Fields(line); len(f) == 2 && f[0] == key {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n
		}
	}
	return 0
}

// cgroupMemory is the tightest memory limit and what its group uses, in bytes. Page cache that the kernel would give back
// at once (inactive files) is not counted as used.
func (h host) cgroupMemory() (limit, used int64, ok bool) {
	limit = math.MaxInt64
	take := func(max, current, stat, key string) func(dir string) {
		return func(dir string) {
			n, has := h.number(path.Join(dir, max))
			if !has || n <= 0 || n >= limit {
				return
			}
			now, _ := h.number(path.Join(dir, current))
			limit, used, ok = n, now-h.statistic(path.Join(dir, stat), key), true
		}
	}
	if group, is := h.groupPath(""); is {
		h.groups("sys/fs/cgroup", group, take("memory.max", "memory.current", "memory.stat", "inactive_file"))
	}
	if group, is := h.groupPath("memory"); is {
		h.groups("sys/fs/cgroup/memory", group, take("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat", "total_inactive_file"))
	}
	return limit, used, ok
}

// cpuQuota is how many cores the tightest quota allows, rounded up.
func (h host) cpuQuota() (cores int, ok bool) {
	best := math.Inf(1)
	if group, is := h.groupPath(""); is {
		h.groups("sys/fs/cgroup", group, func(dir string) {
			b, err := fs.ReadFile(h.root, path.Join(dir, "cpu.max"))
			if f := strings.Fields(string(b)); err == nil && len(f) == 2 {
				best = quota(f[0], f[1], best)
			}
		})
	}
	if group, is := h.groupPath("cpu"); is {
		h.groups("sys/fs/cgroup/cpu", group, func(dir string) {
			q, qok := h.number(path.Join(dir, "cpu.cfs_quota_us"))
			p, pok := h.number(path.Join(dir, "cpu.cfs_period_us"))
			if qok && pok {
				best = quota(strconv.FormatInt(q, 10), strconv.FormatInt(p, 10), best)
			}
		})
	}
	if math.IsInf(best, 1) {
		return 0, false
	}
	return max(1, int(math.Ceil(best))), true
}

// quota is the smaller of best and time/period; "max" and -1 mean no quota.
func quota(time, period string, best float64) float64 {
	t, err1 := strconv.ParseFloat(time, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err1 != nil || err2 != nil || t <= 0 || p <= 0 {
		return best
	}
	return min(best, t/p)
}
