package gguf

import "strconv"

// Type is the storage format of a tensor, numbered as in ggml.h.
type Type uint32

// block is one storage format: every run of elements is stored in bytes.
type block struct {
	name     string
	elements uint64
	bytes    uint64
}

// blocks is the table of formats that llama.cpp 0.5.0 can load. Holes in the numbering are formats that were withdrawn.
var blocks = map[Type]block{
	0: {"F32", 1, 4}, 1: {"F16", 1, 2}, 2: {"Q4_0", 32, 18}, 3: {"Q4_1", 32, 20},
	6: {"Q5_0", 32, 22}, 7: {"Q5_1", 32, 24}, 8: {"Q8_0", 32, 34}, 9: {"Q8_1", 32, 36},
	10: {"Q2_K", 256, 84}, 11: {"Q3_K", 256, 110}, 12: {"Q4_K", 256, 144}, 13: {"Q5_K", 256, 176},
	14: {"Q6_K", 256, 210}, 15: {"Q8_K", 256, 292}, 16: {"IQ2_XXS", 256, 66}, 17: {"IQ2_XS", 256, 74},
	18: {"IQ3_XXS", 256, 98}, 19: {"IQ1_S", 256, 50}, 20: {"IQ4_NL", 32, 18}, 21: {"IQ3_S", 256, 110},
	22: {"IQ2_S", 256, 82}, 23: {"IQ4_XS", 256, 136}, 24: {"I8", 1, 1}, 25: {"I16", 1, 2},
	26: {"I32", 1, 4}, 27: {"I64", 1, 8}, 28: {"F64", 1, 8}, 29: {"IQ1_M", 256, 56}, 30: {"BF16", 1, 2},
	34: {"TQ1_0", 256, 54}, 35: {"TQ2_0", 256, 66}, 39: {"MXFP4", 32, 17}, 40: {"NVFP4", 64, 36},
	41: {"Q1_0", 128, 18}, 42: {"Q2_0", 64, 18},
}

// String is the format's name as the field writes it: "Q8_0", "IQ4_XS", "BF16".
func (t Type) String() string {
	if b, ok := blocks[t]; ok {
		return b.name
	}
	return "type " + strconv.FormatUint(uint64(t), 10)
}

// Block is the number of elements that share a block and the bytes the block takes; ok is false for an unknown format.
func (t Type) Block() (elements, bytes uint64, ok bool) {
	b, ok := blocks[t]
	return b.elements, b.bytes, ok
}

// valueType is the type tag of a metadata value.
type valueType uint32

const (
	typeUint8 valueType = iota
	typeInt8
	typeUint16
	typeInt16
	typeUint32
	typeInt32
	typeFloat32
	typeBool
	typeString
	typeArray
	typeUint64
	typeInt64
	typeFloat64
)

// width is the size in bytes of a fixed-width value, 0 for strings, arrays and unknown tags.
func (t valueType) width() int64 {
	switch t {
	case typeUint8, typeInt8, typeBool:
		return 1
	case typeUint16, typeInt16:
		return 2
	case typeUint32, typeInt32, typeFloat32:
		return 4
	case typeUint64, typeInt64, typeFloat64:
		return 8
	}
	return 0
}
