package rpc_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	testv1 "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/testkit"
)

func TestAPanickingHandlerIsInternalCountedAndLogged(t *testing.T) {
	t.Parallel()
	f := start(t, &service{
		unary: func(context.Context, *testv1.SimpleRequest) (*testv1.SimpleResponse, error) {
			panic("hunter2 fell over")
		},
		output: func(context.Context, testv1.TestService_StreamingOutputCallServer) error { panic("hunter2 fell over") },
	}, nil, place{})
	for _, err := range both(as(t, "ana"), f) {
		require.Equal(t, fault.Internal, fault.KindOf(err))
		require.NotContains(t, err.Error(), "hunter2")
	}
	for _, method := range []string{unaryMethod, streamMethod} {
		f.counted(t, method, "Internal", 1)
		require.InDelta(t, 1, f.counter(t, "slipway_rpc_server_panics_total", map[string]string{"service": "test", "method": method}), 0)
	}
	f.logged(t, "hunter2 fell over")
	f.logged(t, "call_test.go" /* the stack */)
	_, err := f.UnaryCall(t.Context(), &testv1.SimpleRequest{})
	require.Equal(t, fault.Unauthenticated, fault.KindOf(err), "the server goes on")
}

func TestARequestKeepsItsIDAcrossServices(t *testing.T) {
	t.Parallel()
	var seen []string
	f := start(t, &service{unary: func(ctx context.Context, _ *testv1.SimpleRequest) (*testv1.SimpleResponse, error) {
		seen = append(seen, rpc.RequestID(ctx))
		return &testv1.SimpleResponse{}, nil
	}}, func(o *rpc.ServerOptions) { o.IDs = id.Fixed("made-1", "made-2", "made-3") }, place{})
	call := func(ctx context.Context) string {
		var header metadata.MD
		_, err := f.UnaryCall(ctx, &testv1.SimpleRequest{}, grpc.Header(&header))
		require.NoError(t, err)
		return header.Get(rpc.RequestIDKey)[0]
	}
	require.Equal(t, "given", call(rpc.WithRequestID(as(t, "ana"), "given")))
	require.Equal(t, "made-1", call(as(t, "ana")))
	require.Equal(t, "made-2", call(rpc.WithRequestID(as(t, "ana"), "two words")))
	require.Equal(t, "made-3", call(rpc.WithRequestID(as(t, "ana"), strings.Repeat("x", 200))))
	require.Equal(t, []string{"given", "made-1", "made-2", "made-3"}, seen)
	require.Empty(t, rpc.RequestID(context.Background()))
}

func TestADeadlineIsGivenToUnaryCallsThatHaveNone(t *testing.T) {
	t.Parallel()
	deadlines := make(chan time.Duration, 1)
	note := func(ctx context.Context) {
		if d, ok := ctx.Deadline(); ok {
			deadlines <- time.Until(d)
			return
		}
		deadlines <- 0
	}
	f := start(t, &service{
		unary: func(ctx context.Context, _ *testv1.SimpleRequest) (*testv1.SimpleResponse, error) {
			note(ctx)
			return &testv1.SimpleResponse{}, nil
		},
		output: func(ctx context.Context, _ testv1.TestService_StreamingOutputCallServer) error { note(ctx); return nil },
	}, func(o *rpc.ServerOptions) { o.Deadline = time.Hour }, place{})
	ctx := as(t, "ana")
	unbounded := context.WithoutCancel(ctx)
	_, err := f.UnaryCall(unbounded, &testv1.SimpleRequest{})
	require.NoError(t, err)
	require.InDelta(t, time.Hour, <-deadlines, float64(time.Minute))
	_, err = f.UnaryCall(ctx, &testv1.SimpleRequest{})
	require.NoError(t, err)
	require.Less(t, <-deadlines, time.Minute, "the caller's own is kept")
	require.ErrorIs(t, f.receive(unbounded), io.EOF)
	require.Zero(t, <-deadlines, "a stream lives as long as it likes")
}

func TestAPassedDeadlineAndAGoneCallerAreTheirKinds(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 1)
	f := start(t, &service{unary: func(ctx context.Context, _ *testv1.SimpleRequest) (*testv1.SimpleResponse, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, errors.Join(errors.New("select: interrupted"), ctx.Err())
	}}, func(o *rpc.ServerOptions) { o.Deadline = 10 * time.Millisecond }, place{})
	_, err := f.UnaryCall(context.WithoutCancel(as(t, "ana")), &testv1.SimpleRequest{})
	require.Equal(t, fault.DeadlineExceeded, fault.KindOf(err))
	<-entered
	f.counted(t, unaryMethod, "DeadlineExceeded", 1)

	g := start(t, &service{unary: func(ctx context.Context, _ *testv1.SimpleRequest) (*testv1.SimpleResponse, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, fault.Wrap("store.Get", fault.Internal, ctx.Err(), "internal error")
	}}, nil, place{})
	ctx, cancel := context.WithCancel(as(t, "ana"))
	go func() { <-entered; cancel() }()
	_, err = g.UnaryCall(ctx, &testv1.SimpleRequest{})
	require.Equal(t, fault.Canceled, fault.KindOf(err))
	g.counted(t, unaryMethod, "Canceled", 1)
}

func TestAHandlerSeesThatItsCallerHungUp(t *testing.T) {
	t.Parallel()
	kinds := testkit.NewSignal[fault.Kind]()
	f := start(t, &service{duplex: func(s testv1.TestService_FullDuplexCallServer) error {
		if err := s.Send(&testv1.StreamingOutputCallResponse{}); err != nil {
			return err
		}
		_, err := s.Recv()
		kinds.Fire(fault.KindOf(err))
		return err
	}}, nil, place{})
	ctx, cancel := context.WithCancel(as(t, "ana"))
	s, err := f.FullDuplexCall(ctx)
	require.NoError(t, err)
	_, err = s.Recv() // the handler is there before the caller goes
	require.NoError(t, err)
	cancel()
	require.Equal(t, fault.Canceled, kinds.Wait(t))
	f.counted(t, "grpc.testing.TestService/FullDuplexCall", "Canceled", 1)
}

func TestAMessageThatIsTooLargeIsTooLarge(t *testing.T) {
	t.Parallel()
	kinds := testkit.NewSignal[fault.Kind]()
	f := start(t, &service{duplex: func(s testv1.TestService_FullDuplexCallServer) error {
		_, err := s.Recv()
		kinds.Fire(fault.KindOf(err))
		return err
	}}, func(o *rpc.ServerOptions) { o.MaxRecvBytes = 1000 }, place{})
	body := &testv1.Payload{Body: make([]byte, 2000)}
	_, err := f.UnaryCall(as(t, "ana"), &testv1.SimpleRequest{Payload: body})
	require.Equal(t, fault.TooLarge, fault.KindOf(err))
	s, err := f.FullDuplexCall(as(t, "ana"))
	require.NoError(t, err)
	require.NoError(t, s.Send(&testv1.StreamingOutputCallRequest{Payload: body}))
	_, err = s.Recv()
	require.Equal(t, fault.TooLarge, fault.KindOf(err))
	require.Equal(t, fault.TooLarge, kinds.Wait(t))
}

func TestAWatchEndsWhenTheServerDrainsAndOtherCallsDoNot(t *testing.T) {
	t.Parallel()
	drain := make(chan struct{})
	draining := make(chan struct{}, 1)
	finish := make(chan struct{})
	var ready atomic.Bool
	ready.Store(true)
	f := start(t, &service{output: func(ctx context.Context, s testv1.TestService_StreamingOutputCallServer) error {
		<-rpc.Draining(ctx)
		draining <- struct{}{}
		<-finish
		return s.Send(&testv1.StreamingOutputCallResponse{})
	}}, func(o *rpc.ServerOptions) {
		o.Drain = drain
		o.Ready = func(context.Context) error {
			if ready.Load() {
				return nil
			}
			return errors.New("not yet")
		}
	}, place{})
	stream, err := f.StreamingOutputCall(as(t, "ana"), &testv1.StreamingOutputCallRequest{})
	require.NoError(t, err)
	watch, err := healthv1.NewHealthClient(f.cc).Watch(as(t, "ana"), &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	state, err := watch.Recv()
	require.NoError(t, err)
	require.Equal(t, healthv1.HealthCheckResponse_SERVING, state.GetStatus())
	ready.Store(false)
	state, err = watch.Recv()
	require.NoError(t, err)
	require.Equal(t, healthv1.HealthCheckResponse_NOT_SERVING, state.GetStatus())
	ready.Store(true)

	close(drain)
	testkit.Eventually(t, testkit.Patience, func() bool {
		_, err = watch.Recv()
		return err != nil
	}, "the watch ends")
	require.Equal(t, "SERVER_STOPPING", fault.Reason(err))
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	<-draining
	close(finish)
	_, err = stream.Recv()
	require.NoError(t, err, "a stream that has an end comes to it")
	check, err := healthv1.NewHealthClient(f.cc).Check(t.Context(), &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, healthv1.HealthCheckResponse_NOT_SERVING, check.GetStatus())
	require.Nil(t, rpc.Draining(context.Background()))
}
