package proxy

import (
	"context"
	"errors"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/rpc"
)

// The chain of every server turns an error into a status, once, and keeps of a peer's status what a fault can hold. Here
// that is too little: the caller shall see all the details that the owner gave, such as which fields were wrong. So the
// owner's status is put aside on its way in, and replaces the chain's on its way out. Only a status that one of our own
// services made is treated so. What the transport made up (it may name inner addresses) goes through the chain.

type keptKey struct{}

// kept is the owner's status of one call.
type kept struct{ st *status.Status }

// failed is the error of a call as the chain should see it.
func (p passage) failed(ctx context.Context, err error) error {
	if st := ownersStatus(err); st != nil {
		if k, ok := ctx.Value(keptKey{}).(*kept); ok {
			k.st = st
		}
	}
	if ctx.Err() != nil { // the caller's end, or the caller's deadline, not the owner's failure
		return fault.Wrap(p.method, fault.KindOf(ctx.Err()), err, "%s", fault.KindOf(ctx.Err()).Generic())
	}
	return err
}

// ownersStatus is the status in err when one of our services made it, nil otherwise.
func ownersStatus(err error) *status.Status {
	var has interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &has) {
		return nil
	}
	st := has.GRPCStatus()
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == rpc.Domain {
			return st
		}
	}
	return nil
}

// keepStatus runs outside the chain.
func keepStatus(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	k := &kept{}
	err := handler(srv, &keptStream{ServerStream: ss, ctx: context.WithValue(ss.Context(), keptKey{}, k)})
	if err != nil && k.st != nil && k.st.Code() == status.Code(err) {
		return k.st.Err()
	}
	return err
}

type keptStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *keptStream) Context() context.Context { return s.ctx }
