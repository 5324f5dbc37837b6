package work_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
	"github.com/slipway-ai/slipway/services/serving/internal/work"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// script is a runtime whose stream a test writes; breaking it ends the stream.
type script struct {
	words chan word
	taken *testkit.Signal[bool]
}

type word struct {
	snapshot bool
	seen     []domain.Sighting
	broken   bool
}

func (s script) Watch(ctx context.Context, each func(bool, []domain.Sighting)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case w := <-s.words:
			if w.broken {
				s.taken.Fire(true)
				return errors.New("broken")
			}
			each(w.snapshot, w.seen)
			s.taken.Fire(true)
		}
	}
}

func sight(id string, generation int64, s domain.RuntimeState) domain.Sighting {
	return domain.Sighting{ID: id, Generation: generation, Observation: domain.Observation{State: s}}
}

func TestTheObserverKeepsTheNewestOfOursAndForgetsWithTheStream(t *testing.T) {
	t.Parallel()
	s := script{words: make(chan word), taken: testkit.NewSignal[bool]()}
	fake := clock.NewFake(noon)
	news := testkit.NewSignal[string]()
	o := work.NewObserver(s, fake, slog.New(slog.DiscardHandler), "serving", func(ids []string, snapshot bool) {
		for _, id := range ids {
			news.Fire(id)
		}
		if snapshot {
			news.Fire("all")
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	say := func(w word) {
		s.words <- w
		s.taken.Wait(t)
	}

	require.False(t, o.Now().Connected)
	o.Tell(sight("serving.a", 1, domain.RuntimeLoading))
	require.Empty(t, o.Now().Instances, "before the first snapshot nothing is known")
	say(word{snapshot: true, seen: []domain.Sighting{sight("serving.a", 5, domain.RuntimeLoading), sight("other.b", 1, domain.RuntimeReady)}})
	require.Equal(t, "serving.a", news.Wait(t))
	require.Equal(t, "all", news.Wait(t))
	require.Equal(t, map[string]domain.Observation{"serving.a": {State: domain.RuntimeLoading}}, o.Now().Instances)

	say(word{seen: []domain.Sighting{sight("serving.a", 7, domain.RuntimeReady)}})
	require.Equal(t, "serving.a", news.Wait(t))
	o.Tell(sight("serving.a", 6, domain.RuntimeLoading))
	require.Equal(t, domain.RuntimeReady, o.Now().Instances["serving.a"].State, "an answer that the watch has overtaken")
	say(word{seen: []domain.Sighting{sight("serving.a", 8, domain.RuntimeReady)}})
	news.None(t)

	say(word{seen: []domain.Sighting{sight("serving.a", 9, "")}})
	require.Equal(t, "serving.a", news.Wait(t))
	require.Empty(t, o.Now().Instances)

	fake.Advance(time.Minute)
	say(word{broken: true})
	testkit.Eventually(t, testkit.Patience, func() bool { return !o.Now().Connected }, "disconnected")
	require.Equal(t, noon.Add(time.Minute), o.Now().Since)
	fake.Await(1) // the pause before it watches again
	fake.Advance(time.Minute)
	say(word{snapshot: true})
	require.True(t, o.Now().Connected)
	cancel()
	require.NoError(t, <-done)
}
