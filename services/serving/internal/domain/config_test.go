package domain_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

func model(name, reference string) domain.Entity {
	return domain.Entity{Name: name, Model: &domain.Model{Reference: reference}}
}

func external(name, provider, m string) domain.Entity {
	return domain.Entity{Name: name, External: &domain.External{Provider: provider, Model: m}}
}

func TestAConfigThatBreaksARuleIsRefusedWithWhatIsWrong(t *testing.T) {
	t.Parallel()
	a, b := model("a", "models:/c.s.m/1"), model("b", "models:/c.s.m/2")
	eleven := domain.Config{}
	for i := range 11 {
		eleven.Entities = append(eleven.Entities, model(fmt.Sprintf("e%d", i), "models:/c.s.m/1"))
	}
	for name, test := range map[string]struct {
		config domain.Config
		reason string
		text   string
	}{
		"no entity":                {domain.Config{}, "SERVED_ENTITIES_COUNT", "not 0"},
		"eleven entities":          {eleven, "SERVED_ENTITIES_COUNT", "1 to 10 served entities, not 11"},
		"a sum of 101":             {domain.Config{Entities: []domain.Entity{a, b}, Routes: []domain.Traffic{{"a", 90}, {"b", 11}}}, "ROUTE_SUM", "sum to 101"},
		"a sum of 99":              {domain.Config{Entities: []domain.Entity{a, b}, Routes: []domain.Traffic{{"a", 90}, {"b", 9}}}, "ROUTE_SUM", "sum to 99"},
		"a sum of 0":               {domain.Config{Entities: []domain.Entity{a}, Routes: []domain.Traffic{{"a", 0}}}, "ROUTE_SUM", "sum to 0"},
		"a negative share":         {domain.Config{Entities: []domain.Entity{a, b}, Routes: []domain.Traffic{{"a", 101}, {"b", -1}}}, "ROUTE_PERCENTAGE", `"a" must be 0 to 100, not 101`},
		"an unknown entity":        {domain.Config{Entities: []domain.Entity{a, b}, Routes: []domain.Traffic{{"a", 50}, {"c", 50}}}, "ROUTE_UNKNOWN_ENTITY", `"c", which is no served entity; there are: "a", "b"`},
		"a route twice":            {domain.Config{Entities: []domain.Entity{a, b}, Routes: []domain.Traffic{{"a", 50}, {"a", 50}}}, "ROUTE_DUPLICATE", `"a"`},
		"no routes for two":        {domain.Config{Entities: []domain.Entity{a, b}}, "ROUTES_MISSING", "between 2 served entities"},
		"a name twice":             {domain.Config{Entities: []domain.Entity{a, a}}, "SERVED_ENTITY_DUPLICATE", `"a"`},
		"a name with blanks":       {domain.Config{Entities: []domain.Entity{model("a b", "models:/c.s.m/1")}}, "SERVED_ENTITY_NAME", `"a b"`},
		"a name of 256":            {domain.Config{Entities: []domain.Entity{model(strings.Repeat("a", 256), "models:/c.s.m/1")}}, "SERVED_ENTITY_NAME", "at most 255"},
		"nothing to serve":         {domain.Config{Entities: []domain.Entity{{Name: "a"}}}, "SERVED_ENTITY_KIND", `"a" must have exactly one`},
		"two things at once":       {domain.Config{Entities: []domain.Entity{{Model: a.Model, External: &domain.External{Provider: "p", Model: "m"}}}}, "SERVED_ENTITY_KIND", "served entity 1 "},
		"a bad reference":          {domain.Config{Entities: []domain.Entity{model("a", "models:/c.s/1")}}, "REFERENCE_INVALID", "three levels"},
		"a prompt that is a model": {domain.Config{Entities: []domain.Entity{{Prompt: "models:/c.s.m/1", Model: a.Model}}}, "REFERENCE_INVALID", `must begin with "prompts:/"`},
		"too parallel":             {domain.Config{Entities: []domain.Entity{{Model: &domain.Model{Reference: "models:/c.s.m/1", Parallel: 257}}}}, "PARALLEL", "0 to 256"},
		"a negative context":       {domain.Config{Entities: []domain.Entity{{Model: &domain.Model{Reference: "models:/c.s.m/1", ContextLength: -1}}}}, "CONTEXT_LENGTH", "negative"},
		"an external without one":  {domain.Config{Entities: []domain.Entity{external("x", "", "m")}}, "EXTERNAL_MODEL", "provider"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := test.config.Normal()
			require.Equal(t, fault.Invalid, fault.KindOf(err), "%v", err)
			require.Equal(t, test.reason, fault.Reason(err))
			require.Contains(t, fault.Text(err), test.text)
		})
	}
}

func TestASingleEntityTakesAllTraffic(t *testing.T) {
	t.Parallel()
	c, err := domain.Config{Entities: []domain.Entity{model("", "models:/c.s.tiny/3")}}.Normal()
	require.NoError(t, err)
	require.Equal(t, []domain.Traffic{{Entity: "tiny-3", Percent: 100}}, c.Routes)
}

func TestTenEntitiesOfWhichOneTakesNothingAreFine(t *testing.T) {
	t.Parallel()
	c := domain.Config{Routes: []domain.Traffic{{"e0", 100}, {"e9", 0}}}
	for i := range 10 {
		c.Entities = append(c.Entities, model(fmt.Sprintf("e%d", i), "models:/c.s.m/1"))
	}
	n, err := c.Normal()
	require.NoError(t, err)
	require.EqualValues(t, 100, n.Percent("e0"))
	require.EqualValues(t, 0, n.Percent("e5"))
}

func TestDefaultNamesSayWhatWasAskedForAndStayUnique(t *testing.T) {
	t.Parallel()
	c := domain.Config{Entities: []domain.Entity{
		model("", "models:/c.s.tiny/3"),
		model("", "models:/c.s.tiny@champion"),
		{Model: &domain.Model{Reference: "models:/c.s.tiny/3", ContextLength: 512}},
		{Prompt: "prompts:/c.s.greet/2", Model: &domain.Model{Reference: "models:/c.s.tiny/3"}},
		external("", "openai", "openai/gpt-4o"),
		model("tiny-3-2", "models:/c.s.tiny/9"),
	}, Routes: []domain.Traffic{{"tiny-3", 100}}}
	n, err := c.Normal()
	require.NoError(t, err)
	var names []string
	for _, e := range n.Entities {
		names = append(names, e.Name)
	}
	require.Equal(t, []string{"tiny-3", "tiny-champion", "tiny-3-3", "greet-2", "openai-gpt-4o", "tiny-3-2"}, names)
	require.Empty(t, c.Entities[0].Name, "the caller's config must not change")
	again, err := n.Normal()
	require.NoError(t, err)
	require.Equal(t, n, again, "normalising twice changes nothing")
}

func TestReferencesAreReadAndWrittenAlike(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]domain.Reference{
		"models:/c.s.m/3":         {Scheme: domain.Models, Name: "c.s.m", Version: 3},
		"models:/c.s.m@champion":  {Scheme: domain.Models, Name: "c.s.m", Alias: "champion"},
		"models:/ключ.s-1._x@a.b": {Scheme: domain.Models, Name: "ключ.s-1._x", Alias: "a.b"},
	} {
		got, err := domain.ParseReference(domain.Models, text)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, text, got.String())
	}
}

func TestWhatIsNoReferenceIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "c.s.m/3", "models:/", "models:/c.s.m", "models:/c.s.m/", "models:/c.s.m/0", "models:/c.s.m/-1", "models:/c.s.m/03", "models:/c.s.m/+3",
		"models:/c.s.m/3/4", "models:/c.s.m@", "models:/c.s.m@a@b", "models:/c.s.m@a b", "models:/c..m/3", "models:/c.s/3", "models:/a.b.c.d/3",
		"models:/c.s m/3", "models:/c.s.m/9223372036854775808", "prompts:/c.s.m/3", "models://c.s.m/3",
	} {
		_, err := domain.ParseReference(domain.Models, text)
		require.Equal(t, fault.Invalid, fault.KindOf(err), "%q", text)
	}
}
