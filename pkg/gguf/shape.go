package gguf

import (
	"github.com/slipway-ai/slipway/pkg/fault"
)

// shape reads the numbers under an architecture's prefix and remembers the first that is missing or absurd, so that
// Model reads as a list of what it wants.
type shape struct {
	h    *Header
	arch string
	err  error
}

func (r *shape) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fault.New("gguf.Model", fault.Invalid, format, args...).WithReason(ReasonDamaged)
	}
}

func (r *shape) number(key string, high int) (int, bool) {
	v, ok := r.h.Metadata[key]
	if !ok {
		return 0, false
	}
	n, isInt := v.Uint()
	if !isInt || n > uint64(high) {
		r.fail("the GGUF file's %s is not a number between 0 and %d", key, high)
		return 0, false
	}
	return int(n), true
}

// need is a number that must be there, within [low, high].
func (r *shape) need(key string, low, high int) int {
	key = r.arch + "." + key
	n, ok := r.number(key, high)
	if !ok {
		r.fail("the GGUF file does not say %s", key)
	} else if n < low {
		r.fail("the GGUF file's %s is %d", key, n)
	}
	return n
}

// want is a number that may be missing.
func (r *shape) want(key string, missing, high int) int {
	if n, ok := r.number(r.arch+"."+key, high); ok {
		return n
	}
	return missing
}

// global is a number outside the architecture's prefix, 0 when missing.
func (r *shape) global(key string) int {
	n, _ := r.number(key, maxHeads)
	return n
}

// perLayer is a number that is the same for all layers or given one by one.
func (r *shape) perLayer(key string, layers, missing int) []int {
	if r.err != nil {
		return nil
	}
	out := make([]int, layers)
	v, ok := r.h.Metadata[r.arch+"."+key]
	if !ok {
		for i := range out {
			out[i] = missing
		}
		return out
	}
	all, isInts := v.Uints()
	if !isInts || len(all) == 0 || (v.Len() > 0 && len(all) < layers) {
		r.fail("the GGUF file's %s.%s is not one number nor one for each of %d layers", r.arch, key, layers)
		return out
	}
	for i := range out {
		n := all[0]
		if v.Len() > 0 {
			n = all[i]
		}
		if n > maxWidth {
			r.fail("the GGUF file's %s.%s is absurd: %d", r.arch, key, n)
			return out
		}
		out[i] = int(n)
	}
	return out
}

// state is the recurrent state of one layer and sequence, in elements (Mamba's convolution and scan, RWKV's matrices).
func (r *shape) state(embedding int) int {
	if inner := r.want("ssm.inner_size", 0, maxWidth); inner > 0 {
		size, conv, groups := r.want("ssm.state_size", 0, maxHeads), r.want("ssm.conv_kernel", 1, maxHeads), r.want("ssm.group_count", 0, maxHeads)
		return inner*size + max(conv-1, 0)*(inner+2*groups*size)
	}
	if wkv := r.want("wkv.head_size", 0, maxHeads); wkv > 0 {
		return embedding*wkv + 2*embedding
	}
	return 0
}
