package prompt_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
	"github.com/slipway-ai/slipway/services/serving/internal/prompt"
)

type shelf struct {
	mu    sync.Mutex
	reads map[string]int
}

func (s *shelf) Template(_ context.Context, digest string) (domain.Template, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads[digest]++
	if digest == "none" {
		return domain.Template{}, fault.New("shelf", fault.NotFound, "no such template")
	}
	return text(digest), nil
}

func TestTheCacheReadsATemplateOnceAndKeepsTheMostRecentlyUsed(t *testing.T) {
	t.Parallel()
	s := &shelf{reads: map[string]int{}}
	c := prompt.NewCache(s, 2)
	for _, digest := range []string{"a", "b", "a", "c", "a", "b"} {
		p, err := c.Program(t.Context(), digest)
		require.NoError(t, err)
		got, err := p.Render(nil, nil)
		require.NoError(t, err)
		require.Equal(t, digest, got[0].Content)
	}
	require.Equal(t, map[string]int{"a": 1, "b": 2, "c": 1}, s.reads, "b was the one that had to go for c")
	for range 2 {
		_, err := c.Program(t.Context(), "none")
		require.Equal(t, fault.NotFound, fault.KindOf(err))
	}
	require.Equal(t, 2, s.reads["none"], "a failure is not kept")
}

func TestTheCacheIsSafeForManyAtOnce(t *testing.T) {
	t.Parallel()
	c := prompt.NewCache(&shelf{reads: map[string]int{}}, 3)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 200 {
				if _, err := c.Program(context.Background(), string(rune('a'+(worker+i)%7))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
