package rpc

import (
	"errors"

	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// codec is gRPC's own, with one difference: bytes that are no message (invalid UTF-8 in a string, a truncated field) do
// not end the call with gRPC's Internal before the chain has seen it. The message arrives empty and marked, the validate
// link finds the mark, and the caller hears that its bytes are Invalid, counted and logged like everything else.
type codec struct{}

func (codec) Name() string { return protocodec.Name }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	return encoding.GetCodecV2(protocodec.Name).Marshal(v)
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	err := encoding.GetCodecV2(protocodec.Name).Unmarshal(data, v)
	m, ok := v.(proto.Message)
	if err == nil || !ok {
		return err
	}
	proto.Reset(m)
	mark := protowire.AppendTag(nil, undecodedField, protowire.BytesType)
	m.ProtoReflect().SetUnknown(protowire.AppendString(mark, err.Error()))
	return nil
}

// undecodedField is the highest field number there is, which no message of ours uses. A caller that sends it on purpose
// is told that its message cannot be decoded, which is then true enough.
const undecodedField = protowire.MaxValidNumber

// undecoded is why a message could not be decoded, nil when it could.
func undecoded(m proto.Message) error {
	unknown := m.ProtoReflect().GetUnknown()
	number, kind, n := protowire.ConsumeTag(unknown)
	if n < 0 || number != undecodedField || kind != protowire.BytesType {
		return nil
	}
	why, _ := protowire.ConsumeString(unknown[n:])
	return errors.New(why)
}
