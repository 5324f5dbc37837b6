package flow

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/clock"
)

const (
	decisionLife = 10 * time.Second // as everybody on the platform who remembers the registry's decisions
	maxDecisions = 10_000
)

// decisions remembers who may query what, so that rendering a prompt does not ask the registry each time. Only permissions
// are remembered: who was refused may have been given a grant since. Any change of grants anywhere forgets them all.
type decisions struct {
	clock   clock.Clock
	mu      sync.Mutex
	allowed map[string]time.Time
}

func newDecisions(c clock.Clock) *decisions {
	return &decisions{clock: c, allowed: map[string]time.Time{}}
}

func decisionKey(p auth.Principal, endpoint string) string {
	groups := slices.Sorted(slices.Values(p.Groups))
	return strings.Join(append([]string{endpoint, string(p.Kind), p.Name}, groups...), "\x00")
}

func (d *decisions) allows(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	until, ok := d.allowed[key]
	return ok && d.clock.Now().Before(until)
}

func (d *decisions) remember(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.allowed) >= maxDecisions {
		clear(d.allowed)
	}
	d.allowed[key] = d.clock.Now().Add(decisionLife)
}

// ForgetDecisions is for whoever hears that grants changed, or may have missed it.
func (s *Service) ForgetDecisions() {
	s.decisions.mu.Lock()
	defer s.decisions.mu.Unlock()
	clear(s.decisions.allowed)
}
