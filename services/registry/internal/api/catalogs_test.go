package api_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

func TestCatalogsAndSchemasComeAndGo(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		h.grant("ada", metastore(), createCatalog)
		ada := as(t, "ada")
		before := time.Now().Add(-time.Microsecond)
		c := must[*registryv1.CreateCatalogResponse](t)(h.catalog.CreateCatalog(ada, &registryv1.CreateCatalogRequest{Name: "cafe\u0301", Comment: "words\n"})).GetCatalog()
		require.Equal(t, "café", c.GetName())
		require.Equal(t, "ada", c.GetOwner())
		require.Equal(t, "words\n", c.GetComment())
		require.WithinRange(t, c.GetCreateTime().AsTime(), before, time.Now())
		require.Zero(t, c.GetCreateTime().AsTime().Nanosecond()%1000)
		got := must[*registryv1.GetCatalogResponse](t)(h.catalog.GetCatalog(ada, &registryv1.GetCatalogRequest{Name: "café"})).GetCatalog()
		require.Equal(t, c.String(), got.String(), "what Create said is what is kept")

		s := must[*registryv1.CreateSchemaResponse](t)(h.catalog.CreateSchema(ada, &registryv1.CreateSchemaRequest{FullName: "cafe\u0301.Demo"})).GetSchema()
		require.Equal(t, "café.Demo", s.GetFullName())
		require.Equal(t, s.String(), must[*registryv1.GetSchemaResponse](t)(h.catalog.GetSchema(ada, &registryv1.GetSchemaRequest{FullName: "café.Demo"})).GetSchema().String())

		_, err := h.catalog.CreateCatalog(ada, &registryv1.CreateCatalogRequest{Name: "café"})
		refused(t, err, fault.AlreadyExists, "", "catalog café already exists")
		_, err = h.catalog.CreateSchema(ada, &registryv1.CreateSchemaRequest{FullName: "café.Demo"})
		refused(t, err, fault.AlreadyExists, "", "schema café.Demo already exists")
		_, err = h.catalog.GetSchema(ada, &registryv1.GetSchemaRequest{FullName: "café.demo"})
		refused(t, err, fault.NotFound, "", "schema café.demo not found")
		_, err = h.catalog.DeleteCatalog(ada, &registryv1.DeleteCatalogRequest{Name: "café"})
		refused(t, err, fault.FailedPrecondition, "NOT_EMPTY", "catalog café is not empty")
		must[*registryv1.DeleteSchemaResponse](t)(h.catalog.DeleteSchema(ada, &registryv1.DeleteSchemaRequest{FullName: "café.Demo"}))
		must[*registryv1.DeleteCatalogResponse](t)(h.catalog.DeleteCatalog(ada, &registryv1.DeleteCatalogRequest{Name: "café"}))
		_, err = h.catalog.DeleteCatalog(ada, &registryv1.DeleteCatalogRequest{Name: "café"})
		refused(t, err, fault.NotFound, "", "catalog café not found")
	})
}

func TestBadNamesAreRefusedOnEveryRoad(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), nil)
	ctx := admin(t)
	for _, bad := range []string{"", "a b", "a/b", "a@b", "..", "a..b", strings.Repeat("x", 300), "a\x00", "🚀", "a.b.c.d"} {
		for name, call := range map[string]func() error{
			"CreateCatalog": func() error { return err(h.catalog.CreateCatalog(ctx, &registryv1.CreateCatalogRequest{Name: bad})) },
			"GetCatalog":    func() error { return err(h.catalog.GetCatalog(ctx, &registryv1.GetCatalogRequest{Name: bad})) },
			"DeleteCatalog": func() error { return err(h.catalog.DeleteCatalog(ctx, &registryv1.DeleteCatalogRequest{Name: bad})) },
			"CreateSchema":  func() error { return err(h.catalog.CreateSchema(ctx, &registryv1.CreateSchemaRequest{FullName: bad})) },
			"GetSchema":     func() error { return err(h.catalog.GetSchema(ctx, &registryv1.GetSchemaRequest{FullName: bad})) },
			"DeleteSchema":  func() error { return err(h.catalog.DeleteSchema(ctx, &registryv1.DeleteSchemaRequest{FullName: bad})) },
			"ListSchemas":   func() error { return err(h.catalog.ListSchemas(ctx, &registryv1.ListSchemasRequest{Catalog: bad})) },
			"CreateModel":   func() error { return err(h.model.CreateModel(ctx, &registryv1.CreateModelRequest{FullName: bad})) },
			"GetModel":      func() error { return err(h.model.GetModel(ctx, &registryv1.GetModelRequest{FullName: bad})) },
			"UpdateModel":   func() error { return err(h.model.UpdateModel(ctx, &registryv1.UpdateModelRequest{FullName: bad})) },
			"DeleteModel":   func() error { return err(h.model.DeleteModel(ctx, &registryv1.DeleteModelRequest{FullName: bad})) },
			"CreatePrompt":  func() error { return err(h.prompt.CreatePrompt(ctx, &registryv1.CreatePromptRequest{FullName: bad})) },
			"Resolve": func() error {
				return err(h.model.ResolveModelVersion(ctx, &registryv1.ResolveModelVersionRequest{Uri: "models:/" + bad}))
			},
			"UpdateGrants": func() error {
				return err(h.access.UpdateGrants(ctx, &registryv1.UpdateGrantsRequest{Securable: modelNamed(bad), Changes: []*registryv1.GrantChange{{Principal: "x", Add: []registryv1.Privilege{execute}}}}))
			},
			"CheckAccess": func() error {
				return err(h.access.CheckAccess(ctx, &registryv1.CheckAccessRequest{Questions: []*registryv1.AccessQuestion{{Securable: modelNamed(bad), Privilege: execute}}}))
			},
			"GetLineage": func() error {
				return err(h.lineage.GetLineage(ctx, &registryv1.GetLineageRequest{Entity: "models:/" + bad + "/1"}))
			},
		} {
			require.Equal(t, fault.Invalid, fault.KindOf(call()), "%s(%q)", name, bad)
		}
	}
	refused(t, err(h.model.ListModels(ctx, &registryv1.ListModelsRequest{Schema: "a b.c"})), fault.Invalid, "NAME_INVALID")
	refused(t, err(h.prompt.ListPrompts(ctx, &registryv1.ListPromptsRequest{Schema: "abc"})), fault.Invalid, "NAME_INVALID")
}

func TestListsShowWhatTheCallerMaySeePageByPage(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		ctx := admin(t)
		var want []string
		for _, c := range []string{"a", "B", "ä"} {
			must[*registryv1.CreateCatalogResponse](t)(h.catalog.CreateCatalog(ctx, &registryv1.CreateCatalogRequest{Name: c}))
			must[*registryv1.CreateSchemaResponse](t)(h.catalog.CreateSchema(ctx, &registryv1.CreateSchemaRequest{FullName: c + ".s"}))
			for i := range 7 {
				name := fmt.Sprintf("%s.s.m%d", c, i)
				must[*registryv1.CreateModelResponse](t)(h.model.CreateModel(ctx, &registryv1.CreateModelRequest{FullName: name}))
				want = append(want, name)
			}
		}
		slices.Sort(want)
		list := func(who string, schema string, size int32) (got []string) {
			for token := ""; ; {
				c := as(t, who)
				if who == "root" {
					c = ctx
				}
				p := must[*registryv1.ListModelsResponse](t)(h.model.ListModels(c, &registryv1.ListModelsRequest{Schema: schema, PageSize: size, PageToken: token}))
				require.LessOrEqual(t, len(p.GetModels()), int(size))
				for _, m := range p.GetModels() {
					got = append(got, m.GetFullName())
				}
				if token = p.GetNextPageToken(); token == "" {
					return got
				}
			}
		}
		for _, size := range []int32{1, 3, 7, 21, 1000} {
			require.Equal(t, want, list("root", "", size))
		}
		require.Equal(t, want[7:14], list("root", "a.s", 3))
		require.Empty(t, list("eve", "", 3))

		h.grant("eve", metastore(), useCatalog)
		h.grant("eve", catalogNamed("a"), useSchema)
		h.grant("eve", catalogNamed("ä"), execute) // but no USE_SCHEMA there
		require.Empty(t, list("eve", "", 3))
		h.grant("eve", modelNamed("a.s.m3"), manage)
		h.grant("eve", modelNamed("a.s.m6"), execute)
		require.Equal(t, []string{"a.s.m3", "a.s.m6"}, list("eve", "", 1))
		require.Equal(t, []string{"a.s.m3", "a.s.m6"}, list("eve", "a.s", 1))
		h.grant("eve", schemaNamed("ä.s"), useSchema)
		require.Len(t, list("eve", "", 2), 9)

		catalogs := must[*registryv1.ListCatalogsResponse](t)(h.catalog.ListCatalogs(as(t, "eve"), &registryv1.ListCatalogsRequest{}))
		require.Len(t, catalogs.GetCatalogs(), 3)
		require.Equal(t, "B", catalogs.GetCatalogs()[0].GetName())
		require.Empty(t, must[*registryv1.ListCatalogsResponse](t)(h.catalog.ListCatalogs(as(t, "nobody"), &registryv1.ListCatalogsRequest{})).GetCatalogs())
		schemas := must[*registryv1.ListSchemasResponse](t)(h.catalog.ListSchemas(as(t, "eve"), &registryv1.ListSchemasRequest{Catalog: "B"}))
		require.Empty(t, schemas.GetSchemas(), "eve may pass the catalog and none of its schemas")
		schemas = must[*registryv1.ListSchemasResponse](t)(h.catalog.ListSchemas(as(t, "eve"), &registryv1.ListSchemasRequest{Catalog: "a"}))
		require.Len(t, schemas.GetSchemas(), 1)
	})
}

func TestPageTokensBelongToTheirLists(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), nil)
	furnish(t, h)
	ctx := admin(t)
	catalogs := must[*registryv1.ListCatalogsResponse](t)(h.catalog.ListCatalogs(ctx, &registryv1.ListCatalogsRequest{PageSize: 1}))
	token := catalogs.GetNextPageToken()
	require.NotEmpty(t, token)
	for _, bad := range []string{token, "nonsense", "e30", strings.Repeat("A", 9000)} {
		refused(t, err(h.model.ListModels(ctx, &registryv1.ListModelsRequest{PageToken: bad})), fault.Invalid, "PAGE_TOKEN_INVALID")
		refused(t, err(h.catalog.ListSchemas(ctx, &registryv1.ListSchemasRequest{Catalog: "main", PageToken: bad})), fault.Invalid, "PAGE_TOKEN_INVALID")
		refused(t, err(h.model.ListModelVersions(ctx, &registryv1.ListModelVersionsRequest{Model: chat, PageToken: bad})), fault.Invalid, "PAGE_TOKEN_INVALID")
		refused(t, err(h.prompt.ListPromptVersions(ctx, &registryv1.ListPromptVersionsRequest{Prompt: greet, PageToken: bad})), fault.Invalid, "PAGE_TOKEN_INVALID")
	}
	versions := must[*registryv1.ListModelVersionsResponse](t)(h.model.ListModelVersions(ctx, &registryv1.ListModelVersionsRequest{Model: chat, PageSize: 1}))
	require.EqualValues(t, 2, versions.GetModelVersions()[0].GetVersion())
	refused(t, err(h.prompt.ListPromptVersions(ctx, &registryv1.ListPromptVersionsRequest{Prompt: greet, PageToken: versions.GetNextPageToken()})), fault.Invalid, "PAGE_TOKEN_INVALID")
	versions = must[*registryv1.ListModelVersionsResponse](t)(h.model.ListModelVersions(ctx, &registryv1.ListModelVersionsRequest{Model: chat, PageSize: 1, PageToken: versions.GetNextPageToken()}))
	require.EqualValues(t, 1, versions.GetModelVersions()[0].GetVersion())
	require.Empty(t, versions.GetNextPageToken())
	refused(t, err(h.catalog.ListCatalogs(ctx, &registryv1.ListCatalogsRequest{PageSize: -1})), fault.Invalid, "")
	refused(t, err(h.catalog.ListCatalogs(ctx, &registryv1.ListCatalogsRequest{PageSize: 1001})), fault.Invalid, "")
}

// Three roads lead to a decision: a call about one thing, a list, and CheckAccess. They must agree whatever is granted.
func TestListsCallsAndCheckAccessAgree(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, h *house) { agree(t, h, seed) })
		})
	}
}

func agree(t *testing.T, h *house, seed uint64) {
	dice := rand.New(rand.NewPCG(seed, 7))
	ctx := admin(t)
	var places []*registryv1.Securable
	var models []string
	places = append(places, metastore())
	for _, c := range []string{"a", "b"} {
		must[*registryv1.CreateCatalogResponse](t)(h.catalog.CreateCatalog(ctx, &registryv1.CreateCatalogRequest{Name: c}))
		places = append(places, catalogNamed(c))
		for _, s := range []string{c + ".s", c + ".t"} {
			must[*registryv1.CreateSchemaResponse](t)(h.catalog.CreateSchema(ctx, &registryv1.CreateSchemaRequest{FullName: s}))
			places = append(places, schemaNamed(s))
			for _, m := range []string{s + ".m", s + ".n"} {
				must[*registryv1.CreateModelResponse](t)(h.model.CreateModel(ctx, &registryv1.CreateModelRequest{FullName: m}))
				places, models = append(places, modelNamed(m)), append(models, m)
			}
		}
	}
	byLevel := map[int][]registryv1.Privilege{
		0: {useCatalog, useSchema, execute, manage}, 1: {useCatalog, useSchema, execute, manage}, 2: {useSchema, execute, manage}, 3: {execute, manage, createModelVersion},
	}
	who := []string{"eve", "ops", "dev"}
	for range 14 {
		p := places[1+dice.IntN(len(places)-1)]
		if dice.IntN(12) == 0 {
			p = places[0]
		}
		choices := byLevel[levels(p)]
		h.grant(who[dice.IntN(len(who))], p, choices[dice.IntN(len(choices))])
	}
	if dice.IntN(2) == 0 {
		owner := who[dice.IntN(len(who))]
		must[*registryv1.UpdateModelResponse](t)(h.model.UpdateModel(ctx, &registryv1.UpdateModelRequest{FullName: models[dice.IntN(len(models))], Owner: &owner}))
	}

	eve := as(t, "eve", "ops", "dev")
	listed := map[string]bool{}
	for _, m := range must[*registryv1.ListModelsResponse](t)(h.model.ListModels(eve, &registryv1.ListModelsRequest{})).GetModels() {
		listed[m.GetFullName()] = true
	}
	for _, m := range models {
		var questions []*registryv1.AccessQuestion
		for _, p := range []registryv1.Privilege{execute, manage, createModelVersion} {
			questions = append(questions, &registryv1.AccessQuestion{Securable: modelNamed(m), Privilege: p})
		}
		own := must[*registryv1.CheckAccessResponse](t)(h.access.CheckAccess(eve, &registryv1.CheckAccessRequest{Questions: questions})).GetAnswers()
		asked := must[*registryv1.CheckAccessResponse](t)(h.access.CheckAccess(internal(t), &registryv1.CheckAccessRequest{Questions: questions, Principal: "eve", Groups: []string{"ops", "dev"}})).GetAnswers()
		may, visible := false, false
		for i, a := range own {
			require.Equal(t, a.String(), asked[i].String())
			may, visible = may || a.GetAllowed(), visible || a.GetVisible()
		}
		require.Equal(t, may, listed[m], m)
		_, err := h.model.GetModel(eve, &registryv1.GetModelRequest{FullName: m})
		switch {
		case may:
			require.NoError(t, err)
		case visible:
			refused(t, err, fault.PermissionDenied, "MISSING_PRIVILEGE")
		default:
			refused(t, err, fault.NotFound, "")
		}
	}
}
