package flow

import (
	"context"
	"time"
)

const publishPoll = 10 * time.Millisecond

// published waits until every connected gateway routes by what has been committed so far, so that whoever is told that a
// revision is active can rely on it with the next request. The wait is short and its end no promise: a gateway that does
// not answer holds nobody up for long, and the reconciler deals with it.
func (s *Service) published(ctx context.Context) {
	want, err := s.Store.TableRevision(ctx)
	if err != nil {
		return
	}
	over := s.Clock.After(s.Settings.PublishWait)
	for {
		lowest, _, err := s.Store.Applied(ctx, s.Clock.Now())
		if err != nil || lowest >= want {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-over:
			return
		case <-s.Clock.After(publishPoll):
		}
	}
}
