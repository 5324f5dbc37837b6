package flowtest

import (
	"context"
	"sync"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"
)

// Access is a table of grants that answers as the registry does.
type Access struct {
	mu     sync.Mutex
	grants map[string]map[string]flow.Privilege // principal → endpoint → privilege
	// Broken, when set, is what every check answers: the registry is away.
	Broken error
}

// Grant gives a principal a privilege on an endpoint; MANAGE includes EXECUTE.
func (a *Access) Grant(principal, endpoint string, p flow.Privilege) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.grants == nil {
		a.grants = map[string]map[string]flow.Privilege{}
	}
	if a.grants[principal] == nil {
		a.grants[principal] = map[string]flow.Privilege{}
	}
	a.grants[principal][endpoint] = p
}

// Check implements flow.Access.
func (a *Access) Check(ctx context.Context, endpoint string, p flow.Privilege) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.Broken != nil {
		return a.Broken
	}
	who, _ := auth.From(ctx)
	has, any := a.grants[who.Name][endpoint]
	switch {
	case who.IsAdmin(), has == flow.Manage, has == p:
		return nil
	case any:
		return fault.New("flowtest.Check", fault.PermissionDenied, "needs %s on the endpoint", p)
	}
	return fault.New("flowtest.Check", fault.NotFound, "no such endpoint")
}
