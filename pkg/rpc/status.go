package rpc

import (
	"context"
	"errors"
	"io"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/telemetry"
)

// Domain is the domain of our ErrorInfo details: what a status without it says is somebody else's word.
const Domain = "slipway"

// codeOf has one code for every kind. TooLarge shares ResourceExhausted with what gRPC itself answers to a large message;
// the reason tells them from a rate limit.
var codeOf = map[fault.Kind]codes.Code{
	fault.Invalid:            codes.InvalidArgument,
	fault.Unauthenticated:    codes.Unauthenticated,
	fault.PermissionDenied:   codes.PermissionDenied,
	fault.NotFound:           codes.NotFound,
	fault.AlreadyExists:      codes.AlreadyExists,
	fault.FailedPrecondition: codes.FailedPrecondition,
	fault.Aborted:            codes.Aborted,
	fault.TooLarge:           codes.ResourceExhausted,
	fault.ResourceExhausted:  codes.ResourceExhausted,
	fault.Canceled:           codes.Canceled,
	fault.DeadlineExceeded:   codes.DeadlineExceeded,
	fault.Unavailable:        codes.Unavailable,
	fault.Unimplemented:      codes.Unimplemented,
	fault.DataLoss:           codes.DataLoss,
	fault.Internal:           codes.Internal,
}

// kindOf is the way back; codes that none of our servers sends mean their nearest kind.
var kindOf = map[codes.Code]fault.Kind{
	codes.InvalidArgument:    fault.Invalid,
	codes.OutOfRange:         fault.Invalid,
	codes.Unauthenticated:    fault.Unauthenticated,
	codes.PermissionDenied:   fault.PermissionDenied,
	codes.NotFound:           fault.NotFound,
	codes.AlreadyExists:      fault.AlreadyExists,
	codes.FailedPrecondition: fault.FailedPrecondition,
	codes.Aborted:            fault.Aborted,
	codes.ResourceExhausted:  fault.ResourceExhausted,
	codes.Canceled:           fault.Canceled,
	codes.DeadlineExceeded:   fault.DeadlineExceeded,
	codes.Unavailable:        fault.Unavailable,
	codes.Unimplemented:      fault.Unimplemented,
	codes.DataLoss:           fault.DataLoss,
}

// Kind and trace of an error travel in the metadata of its ErrorInfo.
const (
	metaKind  = "kind"
	metaTrace = "trace_id"
)

// ToStatus is the status that a caller may see: kind, public text, ErrorInfo with reason and kind, RetryInfo where the
// error says when to try again, BadRequest with the fields of an invalid request. Causes stay here. An error that is not
// a fault, a foreign status among them, is Internal with a generic text.
func ToStatus(err error) *status.Status { return statusOf(context.Background(), "", err) }

func statusOf(ctx context.Context, method string, err error) *status.Status {
	if err == nil {
		return status.New(codes.OK, "")
	}
	err = generated(method, err)
	kind, text := fault.KindOf(err), fault.Text(err)
	code, ok := codeOf[kind]
	if !ok {
		kind, code = fault.Internal, codes.Internal
	}
	info := &errdetails.ErrorInfo{Reason: fault.Reason(err), Domain: Domain, Metadata: map[string]string{metaKind: string(kind)}}
	if trace := telemetry.TraceID(ctx); trace != "" {
		info.Metadata[metaTrace] = trace
		if kind == fault.Internal {
			text += "; trace " + trace
		}
	}
	details := []protoadapt.MessageV1{info}
	if d := fault.RetryAfter(err); d > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(d)})
	}
	if bad := violations(err); bad != nil {
		details = append(details, bad)
	}
	st := status.New(code, strings.ToValidUTF8(text, "�"))
	if with, err := st.WithDetails(details...); err == nil {
		return with
	}
	return st
}

// generated recognises the one status that is neither foreign nor a fault: what generated code answers for a method that
// a service has not written.
func generated(method string, err error) error {
	// Not errors.As: a wrapped status is foreign, somebody called somebody.
	st, ok := err.(interface{ GRPCStatus() *status.Status })
	if !ok {
		return err
	}
	name := method[strings.LastIndexByte(method, '/')+1:]
	if s := st.GRPCStatus(); s.Code() == codes.Unimplemented && s.Message() == "method "+name+" not implemented" {
		return fault.New(method, fault.Unimplemented, "method %s is not implemented", name)
	}
	return err
}

func violations(err error) *errdetails.BadRequest {
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) || !fault.Is(err, fault.Invalid) {
		return nil
	}
	bad := &errdetails.BadRequest{}
	for _, v := range invalid.Violations {
		bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field:       protovalidate.FieldPathString(v.Proto.GetField()),
			Description: violationText(v),
		})
	}
	return bad
}

// FromStatus is the fault behind the error of a call. What one of our servers said keeps its kind, reason, text and retry
// delay; of anybody else's status only the kind is believed, and the text is kept as the private cause. An error that is
// no status at all is returned as it is.
func FromStatus(err error) error { return fromStatus("", err) }

func fromStatus(op string, err error) error {
	var already *fault.Error
	if err == nil || errors.Is(err, io.EOF) || errors.As(err, &already) {
		return err
	}
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	kind, known := kindOf[st.Code()]
	if !known {
		kind = fault.Internal
	}
	if kind == fault.ResourceExhausted && strings.Contains(st.Message(), "message larger than max") {
		kind = fault.TooLarge // gRPC's own answer, before any of our code ran
	}
	e := &fault.Error{Op: op, Kind: kind, Reason: string(kind), Text: kind.Generic(), Cause: err}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() != Domain {
				continue
			}
			e.Reason, e.Text = d.GetReason(), st.Message()
			if k := fault.Kind(d.GetMetadata()[metaKind]); codeOf[k] == st.Code() && k != "" {
				e.Kind = k
			}
		case *errdetails.RetryInfo:
			e.RetryAfter = d.GetRetryDelay().AsDuration()
		}
	}
	if e.Kind == fault.Internal { // its trace id belongs to it; ours is added when we answer
		e.Text = fault.Internal.Generic()
	}
	return e
}

// ownStatus is the fault behind an error of this server's own stream: the caller hung up, its time is over, or it sent a
// message that we do not take.
func ownStatus(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return fromStatus("rpc.stream", err)
}
