package llamacpp

import (
	"context"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
)

func tokens(t *testing.T, m *Model, texts ...string) [][]Token {
	t.Helper()
	var out [][]Token
	for _, s := range texts {
		tok, err := m.Tokenize(s, true, false)
		require.NoError(t, err)
		out = append(out, tok)
	}
	return out
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestEmbeddingsHaveTheModelsLengthAndComeTwiceTheSame(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	e := embedder(t, m, nil)
	in := tokens(t, m, "the fox ran", "What is a model registry?")
	one, err := e.Embed(ctxFor(t), in, true)
	require.NoError(t, err)
	require.Len(t, one, 2)
	for _, v := range one {
		require.Len(t, v, 192)
		require.InDelta(t, 1, math.Sqrt(dot(v, v)), 1e-5)
	}
	two, err := e.Embed(ctxFor(t), in, true)
	require.NoError(t, err)
	require.Equal(t, one, two)
	require.Less(t, dot(one[0], one[1]), 0.99, "different texts, different vectors")
	raw, err := e.Embed(ctxFor(t), in[:1], false)
	require.NoError(t, err)
	require.NotEqual(t, one[0], raw[0])
	scale(raw[0])
	require.InDelta(t, 1, dot(one[0], raw[0]), 1e-4)
}

func TestManyInputsOfManyCallersKeepTheirOrder(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	e := embedder(t, m, func(o *EmbedderOptions) { o.Tokens, o.Sequences = 256, 4 })
	texts := []string{"a", "the fox", "a bear and a bird", "What is drift?", "one two three four", "Hello!", "a kite", "the last of them"}
	in := tokens(t, m, texts...)
	alone := make([][]float32, len(in))
	for i := range in {
		v, err := e.Embed(ctxFor(t), in[i:i+1], true)
		require.NoError(t, err)
		alone[i] = v[0]
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			got, err := e.Embed(t.Context(), in, true)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range got {
				if d := dot(got[i], alone[i]); d < 0.999 {
					t.Errorf("%q in company is not what it is alone: cosine %f", texts[i], d)
				}
			}
		})
	}
	wg.Wait()
	queued, embedded, _ := e.Queued()
	require.Zero(t, queued)
	require.Positive(t, embedded)
}

func TestInputsThatCannotBeEmbeddedAreRefusedWithNumbers(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	e := embedder(t, m, func(o *EmbedderOptions) { o.Tokens = 64 })
	_, err := e.Embed(ctxFor(t), [][]Token{{1}, {}}, true)
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	require.Contains(t, fault.Text(err), "input 2")
	_, err = e.Embed(ctxFor(t), tokens(t, m, strings.Repeat("a fox ", 100)), true)
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	require.Contains(t, fault.Text(err), "at most 64")
	none, err := e.Embed(ctxFor(t), nil, true)
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestACallerWhoGoesAwayIsDropped(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	e := embedder(t, m, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := e.Embed(ctx, tokens(t, m, "x"), true)
	require.ErrorIs(t, err, context.Canceled)
	queued, _, _ := e.Queued()
	require.Zero(t, queued)
}

func TestAClosedEmbedderIsUnavailable(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	e := embedder(t, m, nil)
	e.Close()
	_, err := e.Embed(ctxFor(t), tokens(t, m, "x"), true)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
}
