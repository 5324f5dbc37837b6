package backoff_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/gateway/internal/backoff"
)

func TestWaitsGrowToTheirBoundAndStartAgain(t *testing.T) {
	t.Parallel()
	b := backoff.Backoff{Base: 10 * time.Millisecond, Max: 100 * time.Millisecond}
	for i, step := range []time.Duration{10, 20, 40, 80, 100, 100} {
		wait := b.Next()
		require.GreaterOrEqual(t, wait, step*time.Millisecond/2, i)
		require.LessOrEqual(t, wait, step*time.Millisecond, i)
	}
	for range 100 {
		require.LessOrEqual(t, b.Next(), 100*time.Millisecond)
	}
	b.Reset()
	require.LessOrEqual(t, b.Next(), 10*time.Millisecond)
	var plain backoff.Backoff
	require.LessOrEqual(t, plain.Next(), 50*time.Millisecond)
}
