package proxy

import (
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// frame is a message that is passed on as the bytes it came in.
type frame struct{ data mem.BufferSlice }

// codec leaves frames alone and treats everything else (health, reflection) as gRPC always does. A frame is taken over
// once and given away once: the transport that sends it frees it.
type codec struct{}

func (codec) Name() string { return protocodec.Name }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*frame); ok {
		data := f.data
		f.data = nil
		return data, nil
	}
	return encoding.GetCodecV2(protocodec.Name).Marshal(v)
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	if f, ok := v.(*frame); ok {
		data.Ref() // the caller frees what it lent
		f.data = append(mem.BufferSlice(nil), data...)
		return nil
	}
	return encoding.GetCodecV2(protocodec.Name).Unmarshal(data, v)
}
