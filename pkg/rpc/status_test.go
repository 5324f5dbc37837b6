package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	testv1 "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
)

func TestEveryKindSurvivesTheWire(t *testing.T) {
	t.Parallel()
	secret := errors.New("pq: password=hunter2")
	var next error
	f := start(t, &service{
		unary: func(context.Context, *testv1.SimpleRequest) (*testv1.SimpleResponse, error) { return nil, next },
		output: func(context.Context, testv1.TestService_StreamingOutputCallServer) error {
			return fmt.Errorf("on the way: %w", next)
		},
	}, nil, place{})
	for _, k := range fault.Kinds() {
		next = fault.Wrap("registry.Op", k, secret, "text of %s", k).WithReason("SOME_REASON").WithRetryAfter(1500 * time.Millisecond)
		_, unary := f.UnaryCall(as(t, "ana"), &testv1.SimpleRequest{})
		for door, err := range map[string]error{"unary": unary, "stream": f.receive(as(t, "ana"))} {
			require.Equal(t, k, fault.KindOf(err), door)
			require.NotContains(t, err.Error(), "hunter2", "the cause stays where it happened")
			require.Equal(t, 1500*time.Millisecond, fault.RetryAfter(err))
			var e *fault.Error
			require.ErrorAs(t, err, &e)
			require.Contains(t, e.Op, "TestService/", "the place is the call")
			require.Equal(t, "SOME_REASON", fault.Reason(err))
			if k == fault.Internal {
				require.Equal(t, "internal error", fault.Text(err))
				require.Regexp(t, "text of INTERNAL; trace [0-9a-f]{32}", status.Convert(errors.Unwrap(e)).Message())
				continue
			}
			require.Equal(t, "text of "+string(k), fault.Text(err))
		}
		f.counted(t, unaryMethod, codeText(k), countOf(k))
	}
	f.logged(t, "hunter2")
}

// codeText is the code that a kind is counted under.
func codeText(k fault.Kind) string { return rpc.ToStatus(fault.New("", k, "")).Code().String() }

// countOf is 2 for the second of the two kinds that share a code.
func countOf(k fault.Kind) float64 {
	if k == fault.ResourceExhausted {
		return 2
	}
	return 1
}

func TestAnUnknownErrorSaysNothingButItsTrace(t *testing.T) {
	t.Parallel()
	foreign := status.Error(codes.NotFound, "row 7 of table secrets")
	for name, err := range map[string]error{
		"an error of the library": io.ErrUnexpectedEOF,
		"a foreign status":        foreign,
		"a wrapped status":        fmt.Errorf("peer: %w", foreign),
		"not implemented by peer": status.Error(codes.Unimplemented, "method Secret not implemented"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, &service{
				unary:  func(context.Context, *testv1.SimpleRequest) (*testv1.SimpleResponse, error) { return nil, err },
				output: func(context.Context, testv1.TestService_StreamingOutputCallServer) error { return err },
			}, nil, place{})
			_, unary := f.UnaryCall(as(t, "ana"), &testv1.SimpleRequest{})
			for _, got := range []error{unary, f.receive(as(t, "ana"))} {
				require.Equal(t, fault.Internal, fault.KindOf(got))
				require.NotContains(t, got.Error(), "secret")
				require.NotContains(t, got.Error(), "Secret")
				require.Regexp(t, "internal error; trace [0-9a-f]{32}", got.Error())
			}
			f.logged(t, err.Error())
			f.logged(t, "level=ERROR")
		})
	}
}

func TestStatusCarriesReasonRetryAndKind(t *testing.T) {
	t.Parallel()
	st := rpc.ToStatus(fault.New("limit", fault.ResourceExhausted, "slow down").WithReason("RATE_LIMITED").WithRetryAfter(2 * time.Second))
	require.Equal(t, codes.ResourceExhausted, st.Code())
	require.Len(t, st.Details(), 2)
	info, ok := st.Details()[0].(*errdetails.ErrorInfo)
	require.True(t, ok)
	require.Equal(t, "RATE_LIMITED", info.GetReason())
	require.Equal(t, "slipway", info.GetDomain())
	require.Equal(t, "RESOURCE_EXHAUSTED", info.GetMetadata()["kind"])
	retry, ok := st.Details()[1].(*errdetails.RetryInfo)
	require.True(t, ok)
	require.Equal(t, 2*time.Second, retry.GetRetryDelay().AsDuration())

	require.Equal(t, codes.OK, rpc.ToStatus(nil).Code())
	require.Equal(t, codes.Canceled, rpc.ToStatus(context.Canceled).Code())
	require.Equal(t, codes.DeadlineExceeded, rpc.ToStatus(fmt.Errorf("x: %w", context.DeadlineExceeded)).Code())
	require.Equal(t, codes.Internal, rpc.ToStatus(fault.New("", "UNHEARD_OF", "x")).Code())
	require.Equal(t, codes.Internal, rpc.ToStatus(fault.New("", fault.Internal, "bad \xff bytes")).Code(), "invalid text is still an answer")
}

func TestOfAForeignStatusOnlyTheKindIsBelieved(t *testing.T) {
	t.Parallel()
	for code, want := range map[codes.Code]fault.Kind{
		codes.NotFound: fault.NotFound, codes.OutOfRange: fault.Invalid, codes.Unknown: fault.Internal,
		codes.ResourceExhausted: fault.ResourceExhausted, codes.Unavailable: fault.Unavailable,
	} {
		st, err := status.New(code, "dial tcp 10.0.0.7: refused").WithDetails(&errdetails.ErrorInfo{Reason: "THEIRS", Domain: "example.com"})
		require.NoError(t, err)
		got := rpc.FromStatus(st.Err())
		require.Equal(t, want, fault.KindOf(got))
		require.Equal(t, want.Generic(), fault.Text(got))
		require.Equal(t, string(want), fault.Reason(got))
		require.ErrorContains(t, got, "10.0.0.7", "the log may know")
	}
	large := rpc.FromStatus(status.Error(codes.ResourceExhausted, "grpc: received message larger than max (5 vs. 4)"))
	require.Equal(t, fault.TooLarge, fault.KindOf(large))
	require.Equal(t, io.EOF, rpc.FromStatus(io.EOF))
	require.NoError(t, rpc.FromStatus(nil))
	own := fault.New("x", fault.Invalid, "y")
	require.Same(t, own, rpc.FromStatus(own))
	plain := errors.New("no status at all")
	require.Same(t, plain, rpc.FromStatus(plain))
}

func TestAMethodNobodyWroteIsUnimplemented(t *testing.T) {
	t.Parallel()
	f := start(t, &service{}, nil, place{})
	_, err := f.EmptyCall(as(t, "ana"), &testv1.Empty{})
	require.Equal(t, fault.Unimplemented, fault.KindOf(err))
	require.Equal(t, "method EmptyCall is not implemented", fault.Text(err))
}

func TestAServerThatIsNotThereIsUnavailable(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"inproc:nobody", "127.0.0.1:1"} {
		cc, err := link.NewNetwork().Dial(addr, link.TLS{}, rpc.DialOptions("client", nil)...)
		require.NoError(t, err)
		_, err = testv1.NewTestServiceClient(cc).UnaryCall(as(t, "ana"), &testv1.SimpleRequest{})
		require.Equal(t, fault.Unavailable, fault.KindOf(err))
		require.Equal(t, fault.Unavailable.Generic(), fault.Text(err), "addresses are for the log")
		require.NoError(t, cc.Close())
	}
}
