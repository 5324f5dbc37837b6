package domain

import (
	"strconv"
	"strings"
)

// nameEntities gives entities without a name one, and refuses names used twice. A default name is made from what was
// asked for and not from what an alias means today, so that it stays true when the alias moves: "model-3",
// "model-champion", "prompt-2", or the external model's own name. A default that is taken gets "-2", "-3" and so on.
func nameEntities(entities []Entity) error {
	taken := map[string]bool{}
	for _, e := range entities {
		if e.Name == "" {
			continue
		}
		if taken[e.Name] {
			return invalid("SERVED_ENTITY_DUPLICATE", "two served entities have the name %q", e.Name)
		}
		taken[e.Name] = true
	}
	for i := range entities {
		if entities[i].Name != "" {
			continue
		}
		base := entities[i].defaultName()
		name := base
		for n := 2; taken[name]; n++ {
			name = base + "-" + strconv.Itoa(n)
		}
		entities[i].Name, taken[name] = name, true
	}
	return nil
}

func (e Entity) defaultName() string {
	switch refs := e.References(); {
	case e.Prompt != "":
		return refs[len(refs)-1].short()
	case e.Model != nil:
		return refs[0].short()
	default:
		return clean(e.External.Model)
	}
}

func (r Reference) short() string {
	if r.Alias != "" {
		return clean(r.leaf() + "-" + r.Alias)
	}
	return clean(r.leaf() + "-" + strconv.FormatInt(r.Version, 10))
}

// clean makes a text an entity name: other characters become "-", and what is left of room is kept for a suffix.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == '-':
			return r
		}
		return '-'
	}, s)
	if s = strings.TrimLeft(s, "-_."); s == "" {
		s = "entity"
	}
	return s[:min(len(s), 240)]
}
