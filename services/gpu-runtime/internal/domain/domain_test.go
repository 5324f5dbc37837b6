package domain_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/domain"
)

func TestTheContextIsWhatWasAskedWithinWhatTheModelKnows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ asked, trained, limit, want int }{{0, 8192, 4096, 4096}, {0, 512, 4096, 512}, {8192, 8192, 4096, 8192}, {100, 8192, 4096, 100}, {32, 32, 4096, 32}} {
		got, err := domain.Spec{ContextLength: c.asked}.Context(c.trained, c.limit)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	_, err := domain.Spec{ContextLength: 1024}.Context(512, 4096)
	require.True(t, fault.Is(err, fault.Invalid))
	require.Contains(t, fault.Text(err), "1024")
	require.Contains(t, fault.Text(err), "512")
	_, err = domain.Spec{ContextLength: 8}.Context(512, 4096)
	require.True(t, fault.Is(err, fault.Invalid))
}

func TestSpecsAndIdsOutOfRangeAreRefused(t *testing.T) {
	t.Parallel()
	good := domain.Spec{Model: "a.b.c", Version: 1}
	require.NoError(t, good.Check())
	for _, s := range []domain.Spec{{Version: 1}, {Model: "a.b.c"}, {Model: "a.b.c", Version: 1, ContextLength: -1}, {Model: "a.b.c", Version: 1, Parallel: 257}} {
		require.True(t, fault.Is(s.Check(), fault.Invalid), "%+v", s)
	}
	require.NoError(t, domain.CheckID("endpoint/entity@3"))
	for _, id := range []string{"", "a b", "a\nb", strings.Repeat("x", 256), "a\xff"} {
		require.True(t, fault.Is(domain.CheckID(id), fault.Invalid), "%q", id)
	}
}

func TestAnInstanceLivesAsDrawn(t *testing.T) {
	t.Parallel()
	all := []domain.State{domain.Loading, domain.Ready, domain.Restarting, domain.Draining, domain.Failed, domain.Stopped}
	for _, s := range all {
		require.False(t, domain.Stopped.May(s), "nothing comes after Stopped")
		require.False(t, s.May(s))
		require.False(t, s.May(domain.Loading), "nothing goes back to Loading")
		require.NotEqual(t, "UNKNOWN", s.String())
	}
	require.True(t, domain.Ready.May(domain.Restarting))
	require.False(t, domain.Loading.May(domain.Restarting), "what was never ready is still loading")
	require.False(t, domain.Draining.May(domain.Ready))
	require.False(t, domain.Failed.May(domain.Ready))
	require.Equal(t, "UNKNOWN", domain.State(0).String())
	require.True(t, domain.Restarting.Answers())
	require.False(t, domain.Draining.Answers())
}
