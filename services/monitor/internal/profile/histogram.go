package profile

import (
	"math"

	"github.com/slipway-ai/slipway/services/monitor/internal/drift"
)

// bucketShift keeps sign, exponent and 8 mantissa bits of a float: 20 bits, 256
// buckets per power of two, each at most 2⁻⁸ of its value wide.
const bucketShift = 44

// bucketOf maps a finite float to its bucket; the order of floats is the order of
// buckets. Flipping the sign bit of positive numbers and all bits of negative ones
// turns the float order into the integer order.
func bucketOf(x float64) uint32 {
	u := math.Float64bits(x)
	if u>>63 == 0 {
		u ^= 1 << 63
	} else {
		u = ^u
	}
	return uint32(u >> bucketShift)
}

// representative is a value inside the bucket: its middle, or 0 for the bucket
// that 0 lies in. It depends on the bucket alone, so two histograms line up.
func representative(bucket uint32) float64 {
	if bucket == bucketOf(0) {
		return 0
	}
	u := uint64(bucket)<<bucketShift | 1<<(bucketShift-1)
	if u>>63 == 1 {
		u ^= 1 << 63
	} else {
		u = ^u
	}
	return math.Float64frombits(u)
}

// histogram counts values by bucket. Counters come in pages of 256, one per sign
// and power of two, so that a column with a few orders of magnitude costs tens of
// kilobytes and an increment costs two loads.
type histogram struct {
	pages [1 << 12]*[256]int64
}

func (h *histogram) add(x float64, n int64) { h.addBucket(bucketOf(x), n) }

func (h *histogram) addBucket(bucket uint32, n int64) {
	page := h.pages[bucket>>8]
	if page == nil {
		page = new([256]int64)
		h.pages[bucket>>8] = page
	}
	page[bucket&0xff] += n
}

// each visits the filled buckets in increasing order.
func (h *histogram) each(visit func(bucket uint32, n int64)) {
	for i, page := range h.pages {
		if page == nil {
			continue
		}
		for j, n := range page {
			if n != 0 {
				visit(uint32(i)<<8|uint32(j), n)
			}
		}
	}
}

func (h *histogram) merge(other *histogram) { other.each(h.addBucket) }

// sample gives the histogram to the drift statistics.
func (h *histogram) sample() (drift.Sample, error) {
	var values []float64
	var counts []int64
	h.each(func(bucket uint32, n int64) {
		values, counts = append(values, representative(bucket)), append(counts, n)
	})
	return drift.BucketsOf(values, counts)
}
