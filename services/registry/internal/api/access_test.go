package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

func question(on *registryv1.Securable, p registryv1.Privilege) *registryv1.AccessQuestion {
	return &registryv1.AccessQuestion{Securable: on, Privilege: p}
}

func TestAccessIsAskedInBatches(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		furnish(t, h)
		h.grant("readers", catalogNamed("main"), useCatalog)
		h.grant("readers", schemaNamed("main.demo"), useSchema)
		h.grant("eve", modelNamed(chat), execute)
		questions := []*registryv1.AccessQuestion{
			question(modelNamed(chat), execute), question(modelNamed(chat), manage), question(modelNamed("main.demo.nothing"), execute),
			question(modelNamed("main.empty.x"), execute), question(modelNamed("gone.x.y"), execute), question(endpoint("faq"), execute),
			question(endpoint("nobody"), execute), question(metastore(), createEndpoint), question(catalogNamed("main"), useCatalog), question(promptNamed(greet), execute),
			question(modelNamed(chat), execute),
		}
		want := []*registryv1.AccessAnswer{
			{Allowed: true, Visible: true},
			{Visible: true, Reason: "needs MANAGE on model main.demo.chat"},
			{Reason: "model main.demo.nothing does not exist"},
			{Reason: "needs USE_SCHEMA on main.empty"},
			{Reason: "needs USE_CATALOG on gone"},
			{Visible: true, Reason: "needs EXECUTE on endpoint faq"},
			{Reason: "endpoint nobody does not exist"},
			{Visible: true, Reason: "needs CREATE_ENDPOINT on the metastore"},
			{Allowed: true, Visible: true},
			{Visible: true, Reason: "needs EXECUTE on prompt main.demo.greet"},
			{Allowed: true, Visible: true},
		}
		same := func(got []*registryv1.AccessAnswer) {
			t.Helper()
			require.Len(t, got, len(want))
			for i := range want {
				require.Equal(t, want[i].String(), got[i].String(), "question %d", i+1)
			}
		}
		same(must[*registryv1.CheckAccessResponse](t)(h.access.CheckAccess(as(t, "eve", "readers"), &registryv1.CheckAccessRequest{Questions: questions})).GetAnswers())
		about := &registryv1.CheckAccessRequest{Questions: questions, Principal: "eve", Groups: []string{"readers"}}
		same(must[*registryv1.CheckAccessResponse](t)(h.access.CheckAccess(internal(t), about)).GetAnswers())
		same(must[*registryv1.CheckAccessResponse](t)(h.access.CheckAccess(admin(t), about)).GetAnswers())
		refused(t, err(h.access.CheckAccess(as(t, "ada"), about)), fault.PermissionDenied, "ADMIN_ONLY")
		refused(t, err(h.access.CheckAccess(t.Context(), about)), fault.Unauthenticated, "")

		all := must[*registryv1.CheckAccessResponse](t)(h.access.CheckAccess(internal(t), &registryv1.CheckAccessRequest{Questions: questions[:2], Principal: "x", Groups: []string{auth.Admins}})).GetAnswers()
		require.True(t, all[0].GetAllowed() && all[1].GetAllowed())
		imposter := must[*registryv1.CheckAccessResponse](t)(h.access.CheckAccess(as(t, "admins"), &registryv1.CheckAccessRequest{Questions: questions[:1]})).GetAnswers()
		require.False(t, imposter[0].GetAllowed(), "nobody is an admin by being called so")

		refused(t, err(h.access.CheckAccess(internal(t), &registryv1.CheckAccessRequest{Questions: questions[:1], Groups: []string{"g"}})), fault.Invalid, "PRINCIPAL_INVALID")
		refused(t, err(h.access.CheckAccess(internal(t), &registryv1.CheckAccessRequest{Questions: []*registryv1.AccessQuestion{question(modelNamed(chat), 0)}})), fault.Invalid, "GRANT_INVALID", "question 1")
		refused(t, err(h.access.CheckAccess(internal(t), &registryv1.CheckAccessRequest{Questions: []*registryv1.AccessQuestion{question(securable(0, chat), execute)}})), fault.Invalid, "SECURABLE_INVALID")
		refused(t, err(h.access.CheckAccess(internal(t), &registryv1.CheckAccessRequest{})), fault.Invalid, "")

		many := make([]*registryv1.AccessQuestion, 1000)
		for i := range many {
			many[i] = question(modelNamed("main.demo.m"+string(rune('a'+i%26))), execute)
		}
		require.Len(t, must[*registryv1.CheckAccessResponse](t)(h.access.CheckAccess(as(t, "eve"), &registryv1.CheckAccessRequest{Questions: many})).GetAnswers(), 1000)
		refused(t, err(h.access.CheckAccess(as(t, "eve"), &registryv1.CheckAccessRequest{Questions: append(many, many[0])})), fault.Invalid, "")
	})
}

func TestGrantsChangeAllOrNone(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		furnish(t, h)
		ctx := admin(t)
		update := func(on *registryv1.Securable, changes ...*registryv1.GrantChange) ([]*registryv1.Grant, error) {
			r, err := h.access.UpdateGrants(ctx, &registryv1.UpdateGrantsRequest{Securable: on, Changes: changes})
			return r.GetGrants(), err
		}
		privileges := func(p ...registryv1.Privilege) []registryv1.Privilege { return p }
		grants := must[[]*registryv1.Grant](t)(update(modelNamed(chat),
			&registryv1.GrantChange{Principal: "eve", Add: privileges(execute, manage)}, &registryv1.GrantChange{Principal: "ada@example.org", Add: privileges(createModelVersion)}))
		require.Len(t, grants, 3)
		require.Equal(t, "ada@example.org", grants[0].GetPrincipal())
		require.Equal(t, "root", grants[0].GetGrantor())
		require.Equal(t, modelNamed(chat).String(), grants[0].GetSecurable().String())
		require.NotNil(t, grants[0].GetCreateTime())

		grants = must[[]*registryv1.Grant](t)(update(modelNamed(chat), &registryv1.GrantChange{Principal: "eve", Add: privileges(execute), Remove: privileges(manage, createModelVersion)}))
		require.Len(t, grants, 2)
		_, no := update(modelNamed(chat), &registryv1.GrantChange{Principal: "eve", Add: privileges(manage)}, &registryv1.GrantChange{Principal: "bob", Add: privileges(useSchema)})
		refused(t, no, fault.Invalid, "GRANT_INVALID", "USE_SCHEMA cannot be granted on a model")
		for _, bad := range []*registryv1.GrantChange{
			{Principal: "eve"},
			{Principal: "", Add: privileges(execute)},
			{Principal: " eve", Add: privileges(execute)},
			{Principal: "eve", Add: privileges(0)},
			{Principal: "eve", Add: privileges(99)},
			{Principal: "eve", Add: privileges(execute), Remove: privileges(execute)},
		} {
			_, no := update(modelNamed(chat), bad)
			refused(t, no, fault.Invalid, "")
		}
		_, no = update(modelNamed("main.demo.nobody"), &registryv1.GrantChange{Principal: "eve", Add: privileges(execute)})
		refused(t, no, fault.NotFound, "")

		list := func(r *registryv1.ListGrantsRequest) []*registryv1.Grant {
			return must[*registryv1.ListGrantsResponse](t)(h.access.ListGrants(ctx, r)).GetGrants()
		}
		require.Len(t, list(&registryv1.ListGrantsRequest{Securable: modelNamed(chat)}), 2, "the refused changes left nothing")
		h.grant("eve", catalogNamed("main"), useCatalog)
		h.grant("team", schemaNamed("main.demo"), useSchema)
		inherited := list(&registryv1.ListGrantsRequest{Securable: modelNamed(chat), IncludeInherited: true})
		require.Len(t, inherited, 4)
		require.Equal(t, catalogNamed("main").String(), inherited[2].GetSecurable().String(), "an inherited grant names where it was given")
		require.Len(t, list(&registryv1.ListGrantsRequest{Securable: modelNamed(chat), IncludeInherited: true, Principal: "eve"}), 2)

		// Without MANAGE one sees one's own.
		own := must[*registryv1.ListGrantsResponse](t)(h.access.ListGrants(as(t, "eve", "team"), &registryv1.ListGrantsRequest{Securable: modelNamed(chat), IncludeInherited: true})).GetGrants()
		require.Len(t, own, 3)
		for _, g := range own {
			require.Contains(t, []string{"eve", "team"}, g.GetPrincipal())
		}
		refused(t, err(h.access.ListGrants(as(t, "stranger"), &registryv1.ListGrantsRequest{Securable: modelNamed(chat)})), fault.NotFound, "")
		require.Empty(t, must[*registryv1.ListGrantsResponse](t)(h.access.ListGrants(as(t, "stranger"), &registryv1.ListGrantsRequest{Securable: metastore()})).GetGrants())
	})
}

func TestOwnershipAndInheritanceReachDown(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		h.grant("builders", metastore(), createCatalog)
		cora := as(t, "cora", "builders")
		must[*registryv1.CreateCatalogResponse](t)(h.catalog.CreateCatalog(cora, &registryv1.CreateCatalogRequest{Name: "lab"}))
		grantAs := func(who string, principal string, on *registryv1.Securable, p ...registryv1.Privilege) error {
			return err(h.access.UpdateGrants(as(t, who), &registryv1.UpdateGrantsRequest{Securable: on, Changes: []*registryv1.GrantChange{{Principal: principal, Add: p}}}))
		}
		require.NoError(t, grantAs("cora", "sam", catalogNamed("lab"), useCatalog, createSchema))
		must[*registryv1.CreateSchemaResponse](t)(h.catalog.CreateSchema(as(t, "sam"), &registryv1.CreateSchemaRequest{FullName: "lab.s"}))
		require.NoError(t, grantAs("sam", "max", schemaNamed("lab.s"), useSchema, createModel))
		refused(t, err(h.model.CreateModel(as(t, "max"), &registryv1.CreateModelRequest{FullName: "lab.s.m"})), fault.NotFound, "", "needs USE_CATALOG on lab")
		require.NoError(t, grantAs("cora", "max", catalogNamed("lab"), useCatalog))
		must[*registryv1.CreateModelResponse](t)(h.model.CreateModel(as(t, "max"), &registryv1.CreateModelRequest{FullName: "lab.s.m"}))

		get := func(who string, groups ...string) error {
			return err(h.model.GetModel(as(t, who, groups...), &registryv1.GetModelRequest{FullName: "lab.s.m"}))
		}
		require.NoError(t, get("max"))
		require.NoError(t, get("sam"), "owns the schema")
		require.NoError(t, get("cora"), "owns the catalog")
		refused(t, get("eve"), fault.NotFound, "")
		require.NoError(t, grantAs("cora", "users", catalogNamed("lab"), useCatalog, useSchema, execute))
		require.NoError(t, get("eve", "users"))
		refused(t, grantAs("eve", "eve", modelNamed("lab.s.m"), manage), fault.NotFound, "")
		refused(t, err(h.access.UpdateGrants(as(t, "eve", "users"), &registryv1.UpdateGrantsRequest{Securable: modelNamed("lab.s.m"), Changes: []*registryv1.GrantChange{{Principal: "eve", Add: []registryv1.Privilege{manage}}}})),
			fault.PermissionDenied, "MISSING_PRIVILEGE", "needs MANAGE on model lab.s.m")
		refused(t, grantAs("sam", "sam", catalogNamed("lab"), manage), fault.PermissionDenied, "MISSING_PRIVILEGE")

		owner := "users"
		must[*registryv1.UpdateModelResponse](t)(h.model.UpdateModel(as(t, "max"), &registryv1.UpdateModelRequest{FullName: "lab.s.m", Owner: &owner}))
		refused(t, get("max"), fault.PermissionDenied, "MISSING_PRIVILEGE")
		must[*registryv1.DeleteModelResponse](t)(h.model.DeleteModel(as(t, "eve", "users"), &registryv1.DeleteModelRequest{FullName: "lab.s.m"}))
	})
}

func TestEndpointsAreRegisteredByServicesAlone(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		serving := internal(t)
		reg := func(on *registryv1.Securable, owner string) error {
			return err(h.access.RegisterSecurable(serving, &registryv1.RegisterSecurableRequest{Securable: on, Owner: owner}))
		}
		require.NoError(t, reg(endpoint("faq"), "max"))
		require.NoError(t, reg(endpoint("faq"), "max"), "saying it again is fine")
		may := func(who string, p registryv1.Privilege) bool {
			r := must[*registryv1.CheckAccessResponse](t)(h.access.CheckAccess(as(t, who), &registryv1.CheckAccessRequest{Questions: []*registryv1.AccessQuestion{question(endpoint("faq"), p)}}))
			return r.GetAnswers()[0].GetAllowed()
		}
		require.True(t, may("max", manage) && may("max", execute))
		require.False(t, may("eve", execute))
		must[*registryv1.UpdateGrantsResponse](t)(h.access.UpdateGrants(as(t, "max"), &registryv1.UpdateGrantsRequest{Securable: endpoint("faq"), Changes: []*registryv1.GrantChange{{Principal: "eve", Add: []registryv1.Privilege{execute}}}}))
		require.True(t, may("eve", execute))
		require.NoError(t, reg(endpoint("faq"), "ada"))
		require.True(t, may("ada", manage) && !may("max", manage) && may("eve", execute), "a new owner; the grants stay")

		for _, who := range []auth.Principal{{Name: "root", Kind: auth.User, Groups: []string{auth.Admins}}, {Name: "serving", Kind: auth.ServiceAccount}} {
			ctx := auth.With(t.Context(), who)
			refused(t, err(h.access.RegisterSecurable(ctx, &registryv1.RegisterSecurableRequest{Securable: endpoint("x"), Owner: "x"})), fault.PermissionDenied, "INTERNAL_ONLY")
			refused(t, err(h.access.UnregisterSecurable(ctx, &registryv1.UnregisterSecurableRequest{Securable: endpoint("faq")})), fault.PermissionDenied, "INTERNAL_ONLY")
		}
		refused(t, err(h.access.RegisterSecurable(t.Context(), &registryv1.RegisterSecurableRequest{Securable: endpoint("x"), Owner: "x"})), fault.Unauthenticated, "")
		refused(t, reg(modelNamed("a.b.c"), "x"), fault.Invalid, "SECURABLE_INVALID")
		refused(t, reg(endpoint("a.b"), "x"), fault.Invalid, "NAME_INVALID")
		refused(t, reg(endpoint("x"), ""), fault.Invalid, "")

		un := func() error {
			return err(h.access.UnregisterSecurable(serving, &registryv1.UnregisterSecurableRequest{Securable: endpoint("faq")}))
		}
		require.NoError(t, un())
		require.NoError(t, un(), "it is gone already")
		require.NoError(t, reg(endpoint("faq"), "max"))
		require.False(t, may("eve", execute), "the grants went with it")
	})
}
