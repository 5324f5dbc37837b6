package lifecycle

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
)

// sort puts modules behind their needs, otherwise in the order given.
func sort(mods []Module) ([]Module, error) {
	byName := make(map[string]Module, len(mods))
	for _, m := range mods {
		if m.Name == "" {
			return nil, fmt.Errorf("lifecycle: a module needs a name")
		}
		if _, twice := byName[m.Name]; twice {
			return nil, fmt.Errorf("lifecycle: two modules are named %s", m.Name)
		}
		byName[m.Name] = m
	}
	var (
		order []Module
		done  = make(map[string]bool)
		visit func(m Module, path []string) error
	)
	visit = func(m Module, path []string) error {
		if done[m.Name] {
			return nil
		}
		if i := slices.Index(path, m.Name); i >= 0 {
			return cycle(append(path[i:], m.Name))
		}
		for _, need := range m.Needs {
			n, ok := byName[need]
			if !ok {
				return fmt.Errorf("lifecycle: %s needs %s, which is not in the table", m.Name, need)
			}
			if err := visit(n, append(slices.Clip(path), m.Name)); err != nil {
				return err
			}
		}
		done[m.Name] = true
		order = append(order, m)
		return nil
	}
	for _, m := range mods {
		if err := visit(m, nil); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// cycle tells every step of a circle: "a needs b, b needs a".
func cycle(path []string) error {
	steps := make([]string, 0, len(path))
	for i := 0; i+1 < len(path); i++ {
		steps = append(steps, path[i]+" needs "+path[i+1])
	}
	return fmt.Errorf("lifecycle: modules need each other in a circle: %s", strings.Join(steps, ", "))
}

func panicError(p any) error { return fmt.Errorf("panic: %v\n%s", p, debug.Stack()) }
