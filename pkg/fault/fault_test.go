package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
)

func TestKindOfReadsAnyError(t *testing.T) {
	t.Parallel()
	notFound := fault.New("registry.Get", fault.NotFound, "model %q", "m")
	for name, c := range map[string]struct {
		err  error
		want fault.Kind
	}{
		"nil has no kind":                      {nil, ""},
		"a fault has its own":                  {notFound, fault.NotFound},
		"a wrapped fault keeps its own":        {fmt.Errorf("while deploying: %w", notFound), fault.NotFound},
		"one among several is found":           {errors.Join(io.EOF, notFound), fault.NotFound},
		"the outermost fault decides":          {fault.Wrap("serving.Deploy", fault.FailedPrecondition, notFound, "x"), fault.FailedPrecondition},
		"a canceled context":                   {context.Canceled, fault.Canceled},
		"a passed deadline, wrapped":           {fmt.Errorf("query: %w", context.DeadlineExceeded), fault.DeadlineExceeded},
		"internal about a canceled context":    {fault.Wrap("store.Get", fault.Internal, context.Canceled, "x"), fault.Canceled},
		"a decided kind outranks the context":  {fault.Wrap("peer.Get", fault.Unavailable, context.DeadlineExceeded, "x"), fault.Unavailable},
		"an unknown error is our mistake":      {io.ErrUnexpectedEOF, fault.Internal},
		"a fault without a kind is internal":   {&fault.Error{Text: "x"}, fault.Internal},
		"internal about something unknown too": {fault.Wrap("x", fault.Internal, io.EOF, "x"), fault.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, fault.KindOf(c.err))
			if c.want != "" {
				require.True(t, fault.Is(c.err, c.want))
			}
			require.False(t, fault.Is(c.err, "SOMETHING_ELSE"))
		})
	}
}

func TestTextNeverShowsACause(t *testing.T) {
	t.Parallel()
	secret := errors.New("dial tcp 10.0.0.7:5432: password=hunter2")
	for _, err := range []error{
		secret,
		fmt.Errorf("wrapped: %w", secret),
		fault.Wrap("store.Get", fault.Internal, secret, "internal error"),
		fault.Wrap("store.Get", fault.Unavailable, secret, ""),
		&fault.Error{Kind: fault.DataLoss, Cause: secret},
	} {
		require.NotContains(t, fault.Text(err), "hunter2")
		require.NotEmpty(t, fault.Text(err))
		require.Contains(t, err.Error(), "hunter2", "the log must see the cause")
		require.ErrorIs(t, err, secret)
	}
	require.Empty(t, fault.Text(nil))
}

func TestReasonIsTheKindUntilSomebodySaysMore(t *testing.T) {
	t.Parallel()
	require.Empty(t, fault.Reason(nil))
	require.Equal(t, "NOT_FOUND", fault.Reason(fault.New("x", fault.NotFound, "x")))
	require.Equal(t, "MODEL_NOT_FOUND", fault.Reason(fmt.Errorf("y: %w", fault.New("x", fault.NotFound, "x").WithReason("MODEL_NOT_FOUND"))))
	require.Equal(t, "INTERNAL", fault.Reason(io.EOF))
	require.Equal(t, "CANCELED", fault.Reason(fault.Wrap("x", fault.Internal, context.Canceled, "x")))
	require.Equal(t, "INVALID", fault.Reason(&fault.Error{Kind: fault.Invalid}))
}

func TestErrorTellsOperatorsEverything(t *testing.T) {
	t.Parallel()
	err := fault.Wrap("registry.CreateModel", fault.AlreadyExists, io.EOF, "model %s exists", "a.b.c").WithReason("MODEL_EXISTS")
	require.Equal(t, "registry.CreateModel: ALREADY_EXISTS MODEL_EXISTS: model a.b.c exists: EOF", err.Error())
	require.Equal(t, "INVALID: bad", fault.New("", fault.Invalid, "bad").Error())
}

func TestRetryAfterIsFoundThroughWrapping(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("x: %w", fault.New("limit", fault.ResourceExhausted, "slow down").WithRetryAfter(3*time.Second))
	require.Equal(t, 3*time.Second, fault.RetryAfter(err))
	require.Zero(t, fault.RetryAfter(io.EOF))
	require.Zero(t, fault.RetryAfter(nil))
}

func TestEveryKindHasAnHTTPStatusAndAGenericText(t *testing.T) {
	t.Parallel()
	want := map[fault.Kind]int{
		fault.Invalid: 400, fault.Unauthenticated: 401, fault.PermissionDenied: 403, fault.NotFound: 404,
		fault.AlreadyExists: 409, fault.FailedPrecondition: 409, fault.Aborted: 409, fault.TooLarge: 413,
		fault.ResourceExhausted: 429, fault.Canceled: 499, fault.DeadlineExceeded: 504, fault.Unavailable: 503,
		fault.Unimplemented: 501, fault.DataLoss: 500, fault.Internal: 500,
	}
	require.Len(t, fault.Kinds(), len(want))
	for _, k := range fault.Kinds() {
		require.Equal(t, want[k], fault.HTTPStatus(k), k)
		require.NotEmpty(t, k.Generic(), k)
	}
	require.Equal(t, 200, fault.HTTPStatus(""))
	require.Equal(t, 500, fault.HTTPStatus("UNHEARD_OF"))
	require.Equal(t, fault.Internal.Generic(), fault.Kind("UNHEARD_OF").Generic())
}
