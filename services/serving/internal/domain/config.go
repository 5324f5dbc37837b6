package domain

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Bounds of a configuration.
const (
	MaxEntities = 10
	MaxParallel = 256
)

// Config is what an endpoint serves and how its traffic is split.
type Config struct {
	Entities []Entity  `json:"entities"`
	Routes   []Traffic `json:"routes"`
}

var entityName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$`)

// Normal is c with every default filled in and every rule checked: 1 to 10 entities with unique names, whole percentages
// that sum to exactly 100 over known entities. The receiver is not changed. Errors are Invalid and name what is wrong.
func (c Config) Normal() (Config, error) {
	n := Config{Entities: slices.Clone(c.Entities), Routes: slices.Clone(c.Routes)}
	if len(n.Entities) == 0 || len(n.Entities) > MaxEntities {
		return Config{}, invalid("SERVED_ENTITIES_COUNT", "an endpoint has 1 to %d served entities, not %d", MaxEntities, len(n.Entities))
	}
	for i := range n.Entities {
		if err := n.Entities[i].check(i); err != nil {
			return Config{}, err
		}
	}
	if err := nameEntities(n.Entities); err != nil {
		return Config{}, err
	}
	if len(n.Routes) == 0 {
		if len(n.Entities) > 1 {
			return Config{}, invalid("ROUTES_MISSING", "routes must say how traffic is split between %d served entities", len(n.Entities))
		}
		n.Routes = []Traffic{{Entity: n.Entities[0].Name, Percent: 100}}
	}
	return n, checkRoutes(n)
}

// References are all references of the configuration, each once, in order of appearance.
func (c Config) References() []Reference {
	var all []Reference
	for _, e := range c.Entities {
		for _, r := range e.References() {
			if !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	return all
}

// Follows reports whether any reference may come to mean another version.
func (c Config) Follows() bool { return slices.ContainsFunc(c.References(), Reference.Follows) }

// Percent is the share of an entity, 0 when no route names it: it then answers only those who ask for it by name.
func (c Config) Percent(entity string) int32 {
	for _, t := range c.Routes {
		if t.Entity == entity {
			return t.Percent
		}
	}
	return 0
}

func (e Entity) check(i int) error {
	who := "served entity " + strconv.Itoa(i+1)
	if e.Name != "" {
		who = "served entity " + strconv.Quote(e.Name)
		if !entityName.MatchString(e.Name) {
			return invalid("SERVED_ENTITY_NAME", "%s: a name has letters, digits, '_', '.' and '-', begins with a letter or digit and is at most 255 long", who)
		}
	}
	if (e.Model == nil) == (e.External == nil) {
		return invalid("SERVED_ENTITY_KIND", "%s must have exactly one of a registered model and an external model", who)
	}
	if m := e.Model; m != nil {
		if _, err := ParseReference(Models, m.Reference); err != nil {
			return err
		}
		if m.ContextLength < 0 {
			return invalid("CONTEXT_LENGTH", "%s: context_length must not be negative", who)
		}
		if m.Parallel < 0 || m.Parallel > MaxParallel {
			return invalid("PARALLEL", "%s: parallel must be 0 to %d", who, MaxParallel)
		}
	}
	if x := e.External; x != nil && (x.Provider == "" || x.Model == "") {
		return invalid("EXTERNAL_MODEL", "%s: an external model needs a provider and a model", who)
	}
	if e.Prompt != "" {
		if _, err := ParseReference(Prompts, e.Prompt); err != nil {
			return err
		}
	}
	return nil
}

func checkRoutes(c Config) error {
	var sum int64
	seen := map[string]bool{}
	for _, t := range c.Routes {
		switch {
		case !slices.ContainsFunc(c.Entities, func(e Entity) bool { return e.Name == t.Entity }):
			return invalid("ROUTE_UNKNOWN_ENTITY", "a route names %q, which is no served entity; there are: %s", t.Entity, names(c.Entities))
		case seen[t.Entity]:
			return invalid("ROUTE_DUPLICATE", "two routes name the served entity %q", t.Entity)
		case t.Percent < 0 || t.Percent > 100:
			return invalid("ROUTE_PERCENTAGE", "the traffic percentage of %q must be 0 to 100, not %d", t.Entity, t.Percent)
		}
		seen[t.Entity] = true
		sum += int64(t.Percent)
	}
	if sum != 100 {
		return invalid("ROUTE_SUM", "the traffic percentages sum to %d, they must sum to exactly 100", sum)
	}
	return nil
}

func names(entities []Entity) string {
	all := make([]string, len(entities))
	for i, e := range entities {
		all[i] = strconv.Quote(e.Name)
	}
	return strings.Join(all, ", ")
}

func invalid(reason, format string, args ...any) error {
	return fault.New("serving.Config", fault.Invalid, format, args...).WithReason(reason)
}
