package delta

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
)

// CompactOptions decide which files are worth rewriting.
type CompactOptions struct {
	// Target is the size of a finished file; 0 means 128 MiB.
	Target int64
	// Fan is how many files of one size make a larger one; 0 means 8. Each row
	// is rewritten log_fan(target / first size) times in its life: about four
	// times from 20 KB to 128 MB.
	Fan int
	// Settled tells of a partition that gets no more rows, such as a past day:
	// its small files are joined whatever their number. Nil: none is.
	Settled func(partition map[string]*string) bool
	// MaxBytes bounds what one call rewrites; 0 means 1 GiB.
	MaxBytes int64
}

func (o CompactOptions) withDefaults() CompactOptions {
	if o.Target <= 0 {
		o.Target = 128 << 20
	}
	if o.Fan < 2 {
		o.Fan = 8
	}
	if o.Settled == nil {
		o.Settled = func(map[string]*string) bool { return false }
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
	}
	return o
}

// planCompaction groups files to be joined. Files come in the order of their
// keys and so partition by partition.
//
// A busy partition is compacted by levels, the way a log-structured store does
// it: only files of about one size are joined, so that no large file is
// rewritten for the sake of a small one. A settled partition is joined once
// more into files of the target size.
func planCompaction(files []*DataFile, o CompactOptions) [][]*DataFile {
	o = o.withDefaults()
	var plan [][]*DataFile
	budget := o.MaxBytes
	for start := 0; start < len(files); {
		end := start + 1
		dir := dirOf(files[start].Key)
		for end < len(files) && dirOf(files[end].Key) == dir && samePartition(files[end], files[start]) {
			end++
		}
		for _, g := range planPartition(files[start:end], o) {
			size := total(g)
			if size > budget && len(plan) > 0 {
				return plan
			}
			budget -= size
			plan = append(plan, g)
		}
		start = end
	}
	return plan
}

func dirOf(key string) string {
	i := strings.LastIndexByte(key, '/')
	return key[:i+1]
}

func samePartition(a, b *DataFile) bool {
	for k, v := range a.PartitionValues {
		w := b.PartitionValues[k]
		if (v == nil) != (w == nil) || v != nil && *v != *w {
			return false
		}
	}
	return true
}

func total(files []*DataFile) (n int64) {
	for _, f := range files {
		n += f.Size
	}
	return n
}

func planPartition(files []*DataFile, o CompactOptions) [][]*DataFile {
	small := make([]*DataFile, 0, len(files))
	for _, f := range files {
		if f.Size < o.Target*3/4 {
			small = append(small, f)
		}
	}
	if len(small) < 2 {
		return nil
	}
	// Oldest first, so that a joined file covers one stretch of time and its
	// bounds stay narrow.
	slices.SortStableFunc(small, func(a, b *DataFile) int {
		return cmp.Or(cmp.Compare(a.ModificationTime, b.ModificationTime), cmp.Compare(a.Since, b.Since), strings.Compare(a.Key, b.Key))
	})
	if o.Settled(small[0].PartitionValues) {
		return fill(small, o.Target, 2)
	}
	levels := map[int][]*DataFile{}
	var order []int
	for _, f := range small {
		l := level(f.Size, o.Fan)
		if levels[l] == nil {
			order = append(order, l)
		}
		levels[l] = append(levels[l], f)
	}
	slices.Sort(order)
	var plan [][]*DataFile
	for _, l := range order {
		if len(levels[l]) >= o.Fan {
			plan = append(plan, fill(levels[l], o.Target, 2)...)
		}
	}
	return plan
}

// level is the power of the fan that a size lies in, counted from 16 KiB.
func level(size int64, fan int) int {
	n := 0
	for unit := uint64(16 << 10); uint64(size) > unit; n++ {
		hi, lo := bits.Mul64(unit, uint64(fan))
		if hi != 0 {
			break
		}
		unit = lo
	}
	return n
}

// fill cuts a list into runs of about the target size, none shorter than least
// files.
func fill(files []*DataFile, target int64, least int) [][]*DataFile {
	var out [][]*DataFile
	var run []*DataFile
	var size int64
	for _, f := range files {
		if len(run) > 0 && size+f.Size > target*5/4 {
			if len(run) >= least {
				out = append(out, run)
			}
			run, size = nil, 0
		}
		run = append(run, f)
		size += f.Size
	}
	if len(run) >= least {
		out = append(out, run)
	}
	return out
}
