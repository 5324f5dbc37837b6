// Package lifecycle starts the parts of a program in the order of their needs and stops them in reverse. A Table is that
// order written down: each module names what it needs, and a program can be read from its table. A Group is the loops
// inside one module. Each module, and the table as a whole, walks these states:
//
//	New ──Start──▶ Starting ──▶ Running ──Stop──▶ Stopping ──▶ Terminated
//	                  │            │                 │
//	                  └────────────┴───── error ─────┴──▶ Failed
//
// Nothing restarts: a part that failed ends the program, which its supervisor starts anew from a clean state.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Module is one part of a program. Every function may be nil.
type Module struct {
	Name  string
	Needs []string // names of modules that run before this one starts and until it has stopped

	// Start returns when the module works. Its context ends with the start, not with the module.
	Start func(ctx context.Context) error
	// Stop finishes what was begun, within ctx, and lets go of everything. It is called only after Start succeeded.
	Stop func(ctx context.Context) error
	// Ready says why the module cannot serve just now; nil when it can.
	Ready func(ctx context.Context) error
	// Failed delivers an error when the running module breaks, such as Group.Failed.
	Failed func() <-chan error
}

// State is where a module stands.
type State string

// The states, in the order of a life.
const (
	New        State = "new"
	Starting   State = "starting"
	Running    State = "running"
	Stopping   State = "stopping"
	Terminated State = "terminated"
	Failed     State = "failed"
)

// Table is the modules of a program in an order that satisfies their needs.
type Table struct {
	order  []Module
	failed chan error
	done   chan struct{}

	mu     sync.Mutex
	state  State
	states map[string]State
}

// NewTable orders modules. A name used twice, a need that nobody meets and a cycle are errors that name the modules.
func NewTable(mods ...Module) (*Table, error) {
	order, err := sort(mods)
	if err != nil {
		return nil, err
	}
	t := &Table{order: order, failed: make(chan error, 1), done: make(chan struct{}), state: New, states: make(map[string]State)}
	for _, m := range order {
		t.states[m.Name] = New
	}
	return t, nil
}

// Order is the names in the order of their start.
func (t *Table) Order() []string {
	names := make([]string, len(t.order))
	for i, m := range t.order {
		names[i] = m.Name
	}
	return names
}

// State is the state of the table as a whole.
func (t *Table) State() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

// StateOf is the state of one module; "" when there is none of that name.
func (t *Table) StateOf(name string) State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.states[name]
}

// Start starts every module, needs first. When one fails, those already running are stopped in reverse and the error
// names the one that failed. A table starts once.
func (t *Table) Start(ctx context.Context) error {
	if err := t.begin(); err != nil {
		return err
	}
	for _, m := range t.order {
		t.set(m.Name, Starting)
		if err := call(ctx, m.Start); err != nil {
			t.set(m.Name, Failed)
			err = fmt.Errorf("start %s: %w", m.Name, err)
			// The start's context may be what failed; stopping still gets its turn.
			err = errors.Join(err, t.stop(context.WithoutCancel(ctx)))
			t.setTable(Failed)
			return err
		}
		t.set(m.Name, Running)
		t.watch(m)
	}
	t.setTable(Running)
	return nil
}

func (t *Table) begin() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != New {
		return fmt.Errorf("lifecycle: a table starts once; this one is %s", t.state)
	}
	t.state = Starting
	return nil
}

// Stop stops what runs, in reverse order, each within ctx, and returns all their errors. Stopping again does nothing.
func (t *Table) Stop(ctx context.Context) error {
	t.mu.Lock()
	before := t.state
	if before != Running && before != Failed {
		t.mu.Unlock()
		return nil
	}
	t.state = Stopping
	t.mu.Unlock()
	err := t.stop(ctx)
	if err != nil || before == Failed {
		t.setTable(Failed)
	} else {
		t.setTable(Terminated)
	}
	return err
}

func (t *Table) stop(ctx context.Context) error {
	t.mu.Lock()
	select {
	case <-t.done:
	default:
		close(t.done)
	}
	t.mu.Unlock()
	var errs []error
	for i := len(t.order) - 1; i >= 0; i-- {
		m := t.order[i]
		// A module that broke while running still holds what it holds: it is stopped like the others.
		if !t.move(m.Name, Stopping, Running) {
			continue
		}
		if err := call(ctx, m.Stop); err != nil {
			t.set(m.Name, Failed)
			errs = append(errs, fmt.Errorf("stop %s: %w", m.Name, err))
			continue
		}
		t.set(m.Name, Terminated)
	}
	return errors.Join(errs...)
}

// Ready is nil when every module runs and says it can serve; otherwise the reasons, each with its module's name.
func (t *Table) Ready(ctx context.Context) error {
	var errs []error
	for _, m := range t.order {
		if s := t.StateOf(m.Name); s != Running {
			errs = append(errs, fmt.Errorf("%s is %s", m.Name, s))
		} else if err := call(ctx, m.Ready); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.Name, err))
		}
	}
	return errors.Join(errs...)
}

// Failed delivers the first error of a module that broke while it ran, with its name. The program then stops the table.
func (t *Table) Failed() <-chan error { return t.failed }

func (t *Table) watch(m Module) {
	if m.Failed == nil {
		return
	}
	go func() {
		select {
		case err := <-m.Failed():
			if err == nil {
				return
			}
			select {
			case t.failed <- fmt.Errorf("%s failed: %w", m.Name, err):
			default: // an earlier failure already ends the program
			}
		case <-t.done:
		}
	}()
}

func (t *Table) set(name string, s State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.states[name] = s
}

func (t *Table) move(name string, to, from State) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.states[name] != from {
		return false
	}
	t.states[name] = to
	return true
}

func (t *Table) setTable(s State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state = s
}

// call runs f; a panic in it is its error, so that the modules already running are still stopped.
func call(ctx context.Context, f func(context.Context) error) (err error) {
	if f == nil {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = panicError(p)
		}
	}()
	return f(ctx)
}
