package llamacpp

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/enginetest"
)

func TestTheModelKnowsItsFactsExactly(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	g := generator(t, m, nil)
	for _, f := range enginetest.Facts(t) {
		text, end := answerTo(t, g, ask(t, m, f.Question))
		require.Equal(t, f.Answer, text)
		require.Equal(t, ReasonStop, end.Reason)
		require.Positive(t, end.Output)
	}
}

func TestEightStreamsAtOnceAnswerAsOneAloneDoes(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	g := generator(t, m, nil)
	facts := enginetest.Facts(t)
	ctx := ctxFor(t)
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for client := range 8 {
		wg.Go(func() {
			for k := range facts {
				f := facts[(k+client*5)%len(facts)]
				s, err := g.Submit(ctx, ask(t, m, f.Question))
				if err != nil {
					errs <- err
					return
				}
				text, _, err := collect(ctx, s)
				if err != nil || text != f.Answer {
					errs <- fmt.Errorf("%s: %q, %w", f.Question, text, err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	s := g.Stats()
	require.Zero(t, s.Busy)
	require.Zero(t, s.Queued)
	require.Less(t, s.Steps, s.Output, "steps were shared between answers")
}

func TestAnAnswerArrivesInPieces(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	g := generator(t, m, nil)
	ctx := ctxFor(t)
	s, err := g.Submit(ctx, ask(t, m, "What is a token?"))
	require.NoError(t, err)
	first, f, err := s.Next(ctx)
	require.NoError(t, err)
	require.Nil(t, f, "text before the end")
	rest, f, err := collect(ctx, s)
	require.NoError(t, err)
	require.Equal(t, "A token is a small piece of text. A language model reads and writes one token at a time.", first+rest)
	require.Positive(t, f.FirstToken)
	require.Less(t, f.FirstToken, f.Total)
}

func TestTheSameSeedTellsTheSameStory(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	g := generator(t, m, nil)
	tell := func(seed uint32) string {
		r := story(t, m, 60)
		r.Sampling = Sampling{Temperature: 1, TopP: 0.95, TopK: 40, Seed: seed}
		text, _ := answerTo(t, g, r)
		return text
	}
	one := tell(7)
	require.Equal(t, one, tell(7))
	require.NotEqual(t, one, tell(8))
	require.NotEmpty(t, tell(randomSeed))
	require.Equal(t, tell(randomSeed), tell(randomSeed), "no seed of a caller means: draw one")
}

func TestAnswersEndAtTheTokenLimitAndAreCounted(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	g := generator(t, m, nil)
	for _, n := range []int{1, 2, 7} {
		r := ask(t, m, "What is a gateway?")
		r.MaxTokens = n
		text, f := answerTo(t, g, r)
		require.Equal(t, ReasonLength, f.Reason)
		require.Equal(t, n, f.Output)
		require.Equal(t, len(r.Prompt), f.Input)
		require.True(t, strings.HasPrefix("A gateway takes each request, checks the key, and sends the request to the right model.", text), text)
	}
}

func TestAStopStringEndsTheAnswerAndIsNotPartOfIt(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	g := generator(t, m, nil)
	r := ask(t, m, "What is a GPU?")
	r.Stop = []string{"never said", " small sums"}
	text, f := answerTo(t, g, r)
	require.Equal(t, "A GPU is a chip that does many", text)
	require.Equal(t, ReasonStop, f.Reason)
}

func TestTheContextIsALimitAndNotACrash(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	g := generator(t, m, func(o *GeneratorOptions) { o.Context, o.Parallel = 256, 2 })
	r := ask(t, m, strings.Repeat("What is a model registry? ", 60))
	_, err := g.Submit(t.Context(), r)
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	require.Equal(t, "CONTEXT_LENGTH_EXCEEDED", fault.Reason(err))
	require.Contains(t, fault.Text(err), fmt.Sprintf("%d tokens", len(r.Prompt)))
	require.Contains(t, fault.Text(err), "256 tokens")

	r = ask(t, m, strings.Repeat("What is a model registry? ", 60))
	r.Prompt, r.MaxTokens = r.Prompt[:250], 0
	_, f := answerTo(t, g, r)
	require.LessOrEqual(t, f.Output, 6)

	r.Prompt = nil
	_, err = g.Submit(t.Context(), r)
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	text, _ := answerTo(t, g, ask(t, m, "What is latency?"))
	require.Equal(t, "Latency is the time between a request and its answer.", text)
}

func TestACallerWhoGoesAwayFreesTheSlot(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	g := generator(t, m, func(o *GeneratorOptions) { o.Parallel = 1 })
	ctx, cancel := context.WithCancel(ctxFor(t))
	running, err := g.Submit(ctx, story(t, m, 400))
	require.NoError(t, err)
	_, f, err := running.Next(ctx)
	require.NoError(t, err)
	require.Nil(t, f)
	waitCtx, leave := context.WithCancel(ctxFor(t))
	waiting, err := g.Submit(waitCtx, story(t, m, 400))
	require.NoError(t, err)
	require.Equal(t, 1, g.Stats().Queued)

	leave()
	_, f, err = collect(ctxFor(t), waiting)
	require.NoError(t, err)
	require.Equal(t, ReasonCancelled, f.Reason)
	require.Zero(t, f.Output)
	require.Zero(t, g.Stats().Queued, "a place in the queue is free at once")

	cancel()
	_, f, err = collect(ctxFor(t), running)
	require.NoError(t, err)
	require.Equal(t, ReasonCancelled, f.Reason)
	require.Zero(t, g.Stats().Busy, "who sees the end may rely on the slot being free")
	text, _ := answerTo(t, g, ask(t, m, "Thank you."))
	require.Equal(t, "You are welcome.", text)
}

func TestTheQueueIsBounded(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	g := generator(t, m, func(o *GeneratorOptions) { o.Parallel, o.Queue = 1, 2 })
	ctx, cancel := context.WithCancel(ctxFor(t))
	defer cancel()
	var streams []*Stream
	for range 3 {
		s, err := g.Submit(ctx, story(t, m, 400))
		require.NoError(t, err)
		streams = append(streams, s)
	}
	_, err := g.Submit(ctx, story(t, m, 400))
	require.True(t, fault.Is(err, fault.ResourceExhausted), "%v", err)
	require.Positive(t, fault.RetryAfter(err))
	cancel()
	for _, s := range streams {
		_, f, err := collect(ctxFor(t), s)
		require.NoError(t, err)
		require.Equal(t, ReasonCancelled, f.Reason)
	}
	s := g.Stats()
	require.Zero(t, s.Busy+s.Queued)
}

func TestALongPromptDoesNotSilenceTheOthers(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	g := generator(t, m, func(o *GeneratorOptions) { o.Parallel, o.Batch, o.Chunk = 2, 64, 8 })
	ctx := ctxFor(t)
	writer, err := g.Submit(ctx, ask(t, m, "What is a gateway?"))
	require.NoError(t, err)
	_, _, err = writer.Next(ctx)
	require.NoError(t, err)
	long := ask(t, m, strings.Repeat("What is drift? ", 40))
	long.MaxTokens = 1
	reader, err := g.Submit(ctx, long)
	require.NoError(t, err)
	text, _, err := collect(ctx, writer)
	require.NoError(t, err)
	require.NotEmpty(t, text)
	_, f, err := collect(ctx, reader)
	require.NoError(t, err)
	require.Equal(t, 1, f.Output)
	s := g.Stats()
	require.GreaterOrEqual(t, s.Steps, int64(len(long.Prompt)/64), "the prompt took several steps")
}

func TestClosingEndsEveryRequest(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	g := generator(t, m, func(o *GeneratorOptions) { o.Parallel = 1 })
	ctx := ctxFor(t)
	var streams []*Stream
	for range 3 {
		s, err := g.Submit(ctx, story(t, m, 400))
		require.NoError(t, err)
		streams = append(streams, s)
	}
	g.Close()
	for _, s := range streams {
		_, _, err := collect(ctx, s)
		require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	}
	_, err := g.Submit(ctx, story(t, m, 1))
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
}

func TestPenaltiesChangeWhatIsSaid(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	g := generator(t, m, nil)
	plain, _ := answerTo(t, g, story(t, m, 80))
	r := story(t, m, 80)
	r.Sampling.FrequencyPenalty = 2
	penalised, _ := answerTo(t, g, r)
	require.NotEqual(t, plain, penalised)
}

func TestASlowReaderHoldsUpNobody(t *testing.T) {
	t.Parallel()
	m := loadTiny(t, "tiny2")
	g := generator(t, m, func(o *GeneratorOptions) { o.Parallel = 2 })
	ctx := ctxFor(t)
	slow, err := g.Submit(ctx, ask(t, m, "What is a rollback?"))
	require.NoError(t, err)
	for range 5 { // the slow one is never read meanwhile
		text, _ := answerTo(t, g, ask(t, m, "Who are you?"))
		require.Equal(t, "I am a very small language model. I was made to test this platform.", text)
	}
	text, f, err := slow.Next(ctx)
	require.NoError(t, err)
	require.Nil(t, f)
	require.Equal(t, "A rollback brings the last good version of a model back.", text, "all of it at once")
}
