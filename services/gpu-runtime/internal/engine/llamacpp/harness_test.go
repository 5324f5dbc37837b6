package llamacpp

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/enginetest"
)

func library(t testing.TB) *Library {
	t.Helper()
	l, err := Open(enginetest.Pack(t), nil)
	require.NoError(t, err)
	return l
}

func loadTiny(t testing.TB, name string) *Model {
	t.Helper()
	m, err := library(t).LoadModel(enginetest.Model(t, name), 0)
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

func generator(t testing.TB, m *Model, change func(*GeneratorOptions)) *Generator {
	t.Helper()
	o := GeneratorOptions{Context: 512, Parallel: 8, Batch: 512, Chunk: 128, Queue: 64, Threads: 1}
	if change != nil {
		change(&o)
	}
	g, err := NewGenerator(m, o)
	require.NoError(t, err)
	t.Cleanup(g.Close) // before the model's: cleanups run backwards
	return g
}

func embedder(t testing.TB, m *Model, change func(*EmbedderOptions)) *Embedder {
	t.Helper()
	o := EmbedderOptions{Tokens: 512, Sequences: 8, Queue: 4096, Threads: 1}
	if change != nil {
		change(&o)
	}
	e, err := NewEmbedder(m, o)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

func ctxFor(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// ask puts a question through the chat template.
func ask(t testing.TB, m *Model, question string) Request {
	t.Helper()
	prompt, err := m.Prompt([]Message{{"user", question}})
	require.NoError(t, err)
	return Request{Prompt: prompt, MaxTokens: 200}
}

// collect reads a stream to its end.
func collect(ctx context.Context, s *Stream) (string, *Finish, error) {
	var text strings.Builder
	for {
		d, f, err := s.Next(ctx)
		text.WriteString(d)
		if f != nil || err != nil {
			return text.String(), f, err
		}
	}
}

func answerTo(t testing.TB, g *Generator, r Request) (string, *Finish) {
	t.Helper()
	ctx := ctxFor(t)
	s, err := g.Submit(ctx, r)
	require.NoError(t, err)
	text, f, err := collect(ctx, s)
	require.NoError(t, err)
	return text, f
}

// story is a request that writes until its token limit: at temperature 1 the model tells stories, and a ban on ending is
// not needed because the limit is below a story's length.
func story(t testing.TB, m *Model, tokens int) Request {
	t.Helper()
	r := ask(t, m, "Tell me a story about a fox.")
	r.MaxTokens = tokens
	return r
}
