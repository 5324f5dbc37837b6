package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/worker"
)

// Engine is one supervised model.
type Engine struct {
	opts   Options
	config worker.Config
	log    *slog.Logger

	mu      sync.Mutex
	status  Status
	current *process
	moved   chan struct{} // closed and replaced at each change of state

	stopping context.Context
	stop     context.CancelFunc
	ended    chan struct{}
}

// Start supervises a worker with this configuration; its Socket is chosen here, anew for each life. It returns at once.
func Start(o Options, c worker.Config) *Engine {
	e := &Engine{opts: o, config: c, log: o.Log.With(slog.String("instance", c.Instance)), moved: make(chan struct{}), ended: make(chan struct{})}
	e.stopping, e.stop = context.WithCancel(context.Background())
	go e.run()
	return e
}

// Status is a snapshot.
func (e *Engine) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status
}

// set changes the status and tells everyone who waits for it.
func (e *Engine) set(change func(*Status)) {
	e.mu.Lock()
	before := e.status.State
	change(&e.status)
	s := e.status
	if s.State != before {
		close(e.moved)
		e.moved = make(chan struct{})
	}
	e.mu.Unlock()
	e.opts.Changed(s)
}

// WaitReady waits until the engine is ready, or returns why it never will be.
func (e *Engine) WaitReady(ctx context.Context) error {
	for {
		e.mu.Lock()
		s, moved := e.status, e.moved
		e.mu.Unlock()
		switch s.State {
		case Ready:
			return nil
		case Failed:
			return s.Err
		case Stopped, Stopping:
			return errStopping
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var errStopping = fault.New("supervise", fault.Unavailable, "the model instance is being unloaded").WithReason("INSTANCE_STOPPING")

// Done is closed when the engine has Failed or Stopped.
func (e *Engine) Done() <-chan struct{} { return e.ended }

// Stop ends the worker, running requests or not, and returns when it is gone. The caller drains before.
func (e *Engine) Stop() {
	e.stop()
	<-e.ended
}

// run lives through one worker after another.
func (e *Engine) run() {
	defer close(e.ended)
	var since time.Time // when the row of fruitless lives began
	for fruitless, life := 0, 1; ; life++ {
		p, err := e.life(life)
		if p != nil && p.serving.Load() {
			fruitless = 0
		}
		wasReady := e.Status().Ready.Engine != ""
		if e.stopping.Err() != nil {
			e.set(func(s *Status) { s.State, s.PID, s.Load = Stopped, 0, worker.Load{} })
			return
		}
		if fruitless++; fruitless == 1 {
			since = e.opts.Clock.Now()
		}
		looping := fruitless >= e.opts.CrashLimit && e.opts.Clock.Now().Sub(since) >= e.opts.CrashWindow
		if final(err) || looping || !wasReady && fruitless >= e.opts.StartLimit {
			if !final(err) {
				err = fault.Wrap("supervise.run", fault.Unavailable, err, "the engine ended %d times in a row; last: %s", fruitless, fault.Text(err)).WithReason("ENGINE_CRASH_LOOP")
			}
			e.log.Error("engine failed for good", slog.String("error", err.Error()))
			e.set(func(s *Status) { s.State, s.Err, s.PID, s.Load = Failed, err, 0, worker.Load{} })
			return
		}
		delay := e.delay(fruitless)
		e.log.Warn("engine ended; starting another", slog.String("error", err.Error()), slog.Duration("after", delay), slog.Int("in_a_row", fruitless))
		e.set(func(s *Status) {
			if wasReady {
				s.State = Restarting
			}
			s.Restarts++
			s.Err, s.PID, s.Load = err, 0, worker.Load{}
		})
		select {
		case <-e.opts.Clock.After(delay):
		case <-e.stopping.Done():
		}
	}
}

// delay before the n-th restart in a row.
func (e *Engine) delay(n int) time.Duration {
	if n <= 1 {
		return 0
	}
	return min(e.opts.RestartDelay<<min(n-2, 20), e.opts.RestartDelayMax)
}

// refused is what a worker said about a model it cannot load.
type refused struct{ said *fault.Error }

func (r refused) Error() string { return r.said.Error() }
func (r refused) Unwrap() error { return r.said }

// final reports whether trying again cannot help: the file or the request is wrong, not the moment.
func final(err error) bool {
	var r refused
	return errors.As(err, &r) && (r.said.Kind == fault.Invalid || r.said.Kind == fault.FailedPrecondition)
}

// life starts a worker, brings it to Ready and stays with it until it ends. It returns why it ended.
func (e *Engine) life(n int) (*process, error) {
	const op = "supervise.life"
	if e.stopping.Err() != nil {
		return nil, errStopping
	}
	c := e.config
	c.Socket = filepath.Join(e.opts.SocketDir, fmt.Sprintf("%s.%d", socketName(c.Instance), n))
	p, err := start(e.opts, c, e.log)
	if err != nil {
		return nil, err
	}
	defer p.forget()
	e.set(func(s *Status) { s.PID = p.pid() })
	if err := e.raise(p, c); err != nil {
		p.kill()
		drain(p)
		if e.stopping.Err() != nil {
			return nil, errStopping
		}
		return nil, err
	}
	if e.attend(p) {
		p.end(e.opts, e.opts.StopGrace)
		drain(p)
		return p, errStopping
	}
	return p, fault.New(op, fault.Unavailable, "the engine worker ended (%s)", p.epitaph())
}

// drain throws away the reports of a worker that is ending and waits for its burial.
func drain(p *process) {
	for range p.reports {
	}
	<-p.done
}

// raise waits until a new worker has loaded its model and written a token.
func (e *Engine) raise(p *process, c worker.Config) error {
	const op = "supervise.raise"
	ctx, cancel := context.WithCancel(e.stopping)
	defer cancel()
	late := e.opts.Clock.After(e.opts.StartTimeout)
	var ready *worker.Ready
	for ready == nil {
		select {
		case rep, ok := <-p.reports:
			switch {
			case !ok:
				<-p.done
				return fault.New(op, fault.Unavailable, "the engine worker ended while it loaded the model (%s)", p.epitaph())
			case rep.Failed != nil:
				return refused{fault.New(op, fault.Kind(rep.Failed.Kind), "%s", rep.Failed.Text).WithReason(rep.Failed.Reason)}
			}
			ready = rep.Ready
		case <-late:
			return fault.New(op, fault.DeadlineExceeded, "the engine did not load the model within %s", e.opts.StartTimeout)
		case <-ctx.Done():
			return errStopping
		}
	}
	if err := p.connect(e.opts); err != nil {
		return err
	}
	probed := make(chan error, 1)
	go func() { probed <- p.probe(ctx, c) }()
	for {
		select {
		case err := <-probed:
			if err != nil {
				return fault.Wrap(op, fault.Unavailable, err, "the engine loaded the model but does not answer: %s", fault.Text(err))
			}
			e.arrive(p, *ready)
			return nil
		case rep, ok := <-p.reports: // its loads, while it is probed
			if !ok {
				<-p.done
				return fault.New(op, fault.Unavailable, "the engine worker ended while it was probed (%s)", p.epitaph())
			}
			if rep.Load != nil {
				p.note(*rep.Load, e.opts.Clock.Now())
			}
		case <-late:
			return fault.New(op, fault.DeadlineExceeded, "the engine did not write a token within %s", e.opts.StartTimeout)
		}
	}
}

// arrive makes a worker the current one.
func (e *Engine) arrive(p *process, r worker.Ready) {
	observed := e.opts.Observe(p.pid())
	p.note(worker.Load{}, e.opts.Clock.Now()) // heard of: its probe was answered
	e.mu.Lock()
	e.current = p
	e.mu.Unlock()
	e.set(func(s *Status) {
		s.State, s.Err, s.Ready = Ready, nil, r
		s.Observed = max(s.Observed, observed)
	})
	e.log.Info("engine is ready", slog.Int("pid", p.pid()), slog.String("engine", r.Engine), slog.Int64("resident_bytes", observed))
	if r.ChatFallback {
		e.log.Warn("the model has no chat template the engine understands; ChatML is used")
	}
}

// attend follows a ready worker until it ends (false) or the engine is to stop (true).
func (e *Engine) attend(p *process) (stopping bool) {
	defer func() {
		e.mu.Lock()
		e.current = nil
		e.mu.Unlock()
	}()
	look := e.opts.Clock.NewTicker(worker.HeartbeatEvery)
	defer look.Stop()
	old := e.opts.Clock.After(longLife)
	for {
		select {
		case rep, ok := <-p.reports:
			if !ok {
				<-p.done
				return false
			}
			if rep.Load != nil {
				p.note(*rep.Load, e.opts.Clock.Now())
				e.set(func(s *Status) { s.Load = *rep.Load })
			}
		case <-look.C():
			if why := p.stuck(e.opts); why != "" {
				e.log.Error("engine is stuck; killing it", slog.String("why", why), slog.Int("pid", p.pid()))
				p.kill()
				continue
			}
			if now := e.opts.Observe(p.pid()); now > e.Status().Observed {
				e.set(func(s *Status) { s.Observed = now })
			}
		case <-old:
			p.serving.Store(true)
		case <-e.stopping.Done():
			e.set(func(s *Status) { s.State = Stopping })
			return true
		}
	}
}

// socketName makes an instance's id fit into a path: sockets have about a hundred bytes for theirs.
func socketName(id string) string {
	var b []byte
	for i := 0; i < len(id) && len(b) < 24; i++ {
		c := id[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			b = append(b, c)
		}
	}
	return string(b)
}
