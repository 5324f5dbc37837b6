package gguf

import "math"

// Value is one metadata value: a scalar, a string, or an array. Arrays of numbers up to keptArray elements are kept (they
// carry per-layer shapes); longer ones and arrays of strings (the vocabulary, the merges) are only counted.
type Value struct {
	kind  valueType
	bits  uint64 // scalars
	text  string
	count int64 // arrays: the number of elements
	items []Value
}

// Text is the value of a string.
func (v Value) Text() (string, bool) { return v.text, v.kind == typeString }

// Len is the number of elements of an array, 0 for anything else.
func (v Value) Len() int64 { return v.count }

// Uint is the value of any integer that is not negative, whatever its width.
func (v Value) Uint() (uint64, bool) {
	switch v.kind {
	case typeUint8, typeUint16, typeUint32, typeUint64:
		return v.bits, true
	case typeInt8, typeInt16, typeInt32, typeInt64:
		return v.bits, int64(v.bits) >= 0
	}
	return 0, false
}

// Float is the value of a float of either width.
func (v Value) Float() (float64, bool) {
	switch v.kind {
	case typeFloat32:
		return float64(math.Float32frombits(uint32(v.bits))), true
	case typeFloat64:
		return math.Float64frombits(v.bits), true
	}
	return 0, false
}

// Bool is the value of a boolean.
func (v Value) Bool() (value, ok bool) { return v.bits != 0, v.kind == typeBool }

// Uints is the value of an array of integers, or of one integer as an array of one. ok is false when the array was too
// long to be kept or holds anything but integers that are not negative.
func (v Value) Uints() ([]uint64, bool) {
	if n, ok := v.Uint(); ok {
		return []uint64{n}, true
	}
	if v.kind != typeArray || int64(len(v.items)) != v.count {
		return nil, false
	}
	out := make([]uint64, 0, len(v.items))
	for _, it := range v.items {
		if b, isBool := it.Bool(); isBool {
			n := uint64(0)
			if b {
				n = 1
			}
			out = append(out, n)
			continue
		}
		n, ok := it.Uint()
		if !ok {
			return nil, false
		}
		out = append(out, n)
	}
	return out, true
}

// extend widens a little-endian scalar of the given type to 64 bits, keeping the sign of signed integers.
func extend(t valueType, raw uint64) uint64 {
	switch t {
	case typeInt8:
		return uint64(int64(int8(raw)))
	case typeInt16:
		return uint64(int64(int16(raw)))
	case typeInt32:
		return uint64(int64(int32(raw)))
	}
	return raw
}
