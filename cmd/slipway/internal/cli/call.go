package cli

import (
	"context"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// call sends one request over a new session and shows the answer. method is a method expression of the generated client,
// such as registryv1.ModelServiceClient.GetModel.
func call[C any, Q, R proto.Message](s *session, cmd *cobra.Command, client func(grpc.ClientConnInterface) C,
	method func(C, context.Context, Q, ...grpc.CallOption) (R, error), in Q, draw func(*table, R),
) error {
	conn, err := s.dial()
	if err != nil {
		return err
	}
	out, err := method(client(conn), cmd.Context(), in)
	if err != nil {
		return err
	}
	return s.show(cmd, out, func(t *table) { draw(t, out) })
}

// noun is a command that only groups verbs.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short}
	c.AddCommand(verbs...)
	return c
}

// when prints a time for a table, empty for none.
func when(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Local().Format("2006-01-02 15:04:05")
}

// short prints an enum's value without its type's prefix.
func short(value, prefix string) string {
	if len(value) > len(prefix) && value[:len(prefix)] == prefix {
		return value[len(prefix):]
	}
	return value
}
