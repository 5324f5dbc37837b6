package supervise

import (
	"os/exec"
	"runtime"
)

// Spawner starts child processes from one thread that lives as long as it does. A child that asks to be killed when its
// parent dies (Pdeathsig) is in truth killed when the parent's thread dies that started it, and Go ends threads as it
// likes: children started from any goroutine are killed at random.
type Spawner struct {
	requests chan spawn
	ended    chan struct{}
}

type spawn struct {
	cmd  *exec.Cmd
	done chan error
}

// NewSpawner starts the thread.
func NewSpawner() *Spawner {
	s := &Spawner{requests: make(chan spawn), ended: make(chan struct{})}
	go func() {
		runtime.LockOSThread() // and never unlocked: when the goroutine ends, so does the thread
		for {
			select {
			case r := <-s.requests:
				r.done <- r.cmd.Start()
			case <-s.ended:
				return
			}
		}
	}()
	return s
}

// Start starts a process.
func (s *Spawner) Start(cmd *exec.Cmd) error {
	r := spawn{cmd: cmd, done: make(chan error, 1)}
	select {
	case s.requests <- r:
		return <-r.done
	case <-s.ended:
		return exec.ErrNotFound
	}
}

// Close ends the thread, and with it every child that is still alive. Call it last, and once.
func (s *Spawner) Close() { close(s.ended) }
