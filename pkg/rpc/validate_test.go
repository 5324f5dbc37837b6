package rpc_test

import (
	"context"
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
)

// ruled is a message whose one field, name, has from 3 to 8 characters.
func ruled(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	options := &descriptorpb.FieldOptions{}
	proto.SetExtension(options, validate.E_Field, &validate.FieldRules{
		Type: &validate.FieldRules_String_{String_: &validate.StringRules{MinLen: new(uint64(3)), MaxLen: new(uint64(8))}},
	})
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("ruled.proto"), Package: proto.String("test"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("Ruled"),
			Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("name"), Number: proto.Int32(1), Options: options,
				Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}},
		}},
	}, nil)
	require.NoError(t, err)
	return file.Messages().Get(0)
}

// rawCodec sends bytes as they are, as a client in another language might.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (rawCodec) Unmarshal(mem.BufferSlice, any) error { return nil }

var _ encoding.CodecV2 = rawCodec{}

// ruledServer serves test.Ruled/{Unary,Stream} and counts the messages its handlers saw.
func ruledServer(t *testing.T) (*grpc.ClientConn, func() int) {
	t.Helper()
	md := ruled(t)
	seen := make(chan struct{}, 16)
	server, err := rpc.NewServer(rpc.ServerOptions{
		Service: "test", Telemetry: telemetry.Discard(), TrustPeers: true, Creds: nil,
		Public: []string{"/test.Ruled/Unary", "/test.Ruled/Stream"},
	})
	require.NoError(t, err)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Ruled", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Unary", Handler: func(srv any, ctx context.Context, dec func(any) error, in grpc.UnaryServerInterceptor) (any, error) {
			m := dynamicpb.NewMessage(md)
			if err := dec(m); err != nil {
				return nil, err
			}
			return in(ctx, m, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/test.Ruled/Unary"}, func(context.Context, any) (any, error) {
				seen <- struct{}{}
				return dynamicpb.NewMessage(md), nil
			})
		}}},
		Streams: []grpc.StreamDesc{{StreamName: "Stream", ClientStreams: true, ServerStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
			if err := s.RecvMsg(dynamicpb.NewMessage(md)); err != nil {
				return err
			}
			seen <- struct{}{}
			return nil
		}}},
	}, struct{}{})
	n := link.NewNetwork()
	l, _, err := n.Listen("127.0.0.1:0", link.TLS{})
	require.NoError(t, err)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	cc, err := n.Dial(l.Addr().String(), link.TLS{}, grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
	require.NoError(t, err)
	t.Cleanup(func() { _ = cc.Close() })
	return cc, func() int { return len(seen) }
}

func TestAMessageThatBreaksItsRulesIsInvalidAtBothDoors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bytes  []byte
		kind   fault.Kind
		reason string
		text   string
	}{
		"right":           {[]byte("\x0a\x03ana"), "", "", ""},
		"too short":       {[]byte("\x0a\x02an"), fault.Invalid, "FIELD_INVALID", "name: must be at least 3 characters"},
		"empty":           {nil, fault.Invalid, "FIELD_INVALID", "name: must be at least 3 characters"},
		"invalid UTF-8":   {[]byte("\x0a\x03an\xff"), fault.Invalid, "MESSAGE_MALFORMED", "the message cannot be decoded: text must be UTF-8"},
		"cut off":         {[]byte("\x0a\x30an"), fault.Invalid, "MESSAGE_MALFORMED", "the message cannot be decoded: it is cut off, or not of this method's type"},
		"not a message":   {[]byte("\xff\xff\xff"), fault.Invalid, "MESSAGE_MALFORMED", "the message cannot be decoded: it is cut off, or not of this method's type"},
		"from the future": {[]byte("\x0a\x03ana\x12\x01x"), "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cc, seen := ruledServer(t)
			unary := cc.Invoke(t.Context(), "/test.Ruled/Unary", c.bytes, nil)
			s, err := cc.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/test.Ruled/Stream")
			require.NoError(t, err)
			require.NoError(t, s.SendMsg(c.bytes))
			stream := s.RecvMsg(nil)
			if c.kind == "" {
				require.NoError(t, unary)
				require.EqualError(t, stream, "EOF")
				require.Equal(t, 2, seen())
				return
			}
			for _, err := range []error{unary, stream} {
				require.Equal(t, c.kind, fault.KindOf(rpc.FromStatus(err)), "%v", err)
				require.Equal(t, c.reason, fault.Reason(rpc.FromStatus(err)))
				require.Equal(t, c.text, fault.Text(rpc.FromStatus(err)))
			}
			require.Zero(t, seen())
			if c.reason != "FIELD_INVALID" {
				return
			}
			for _, d := range status.Convert(unary).Details() {
				if bad, ok := d.(*errdetails.BadRequest); ok {
					require.Equal(t, "name", bad.GetFieldViolations()[0].GetField())
					return
				}
			}
			t.Fatal("the fields are not named in a detail")
		})
	}
}

func TestAStrangerIsNotValidated(t *testing.T) {
	t.Parallel()
	f := start(t, &service{}, nil, place{foreign: true})
	err := f.cc.Invoke(t.Context(), "/"+unaryMethod, []byte("\xff\xff"), nil, grpc.ForceCodecV2(rawCodec{}))
	require.Equal(t, fault.Unauthenticated, fault.KindOf(rpc.FromStatus(err)), "who you are comes before what you say")
}
