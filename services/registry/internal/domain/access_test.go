package domain_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// world is main (of cora) > demo (of sam) > chat (of max), and an endpoint faq (of max).
func world() map[domain.Ref]domain.Securable {
	found := map[domain.Ref]domain.Securable{}
	for _, s := range []domain.Securable{
		{ID: "root", Ref: domain.Ref{Type: domain.TypeMetastore}, Owner: "admins"},
		{ID: "main", Ref: domain.Ref{Type: domain.TypeCatalog, FullName: "main"}, Owner: "cora"},
		{ID: "demo", Ref: domain.Ref{Type: domain.TypeSchema, FullName: "main.demo"}, Owner: "sam"},
		{ID: "chat", Ref: domain.Ref{Type: domain.TypeModel, FullName: "main.demo.chat"}, Owner: "max"},
		{ID: "faq", Ref: domain.Ref{Type: domain.TypeEndpoint, FullName: "faq"}, Owner: "max"},
	} {
		found[s.Ref] = s
	}
	return found
}

func grant(id, principal string, privileges ...domain.Privilege) (g []domain.Grant) {
	for _, p := range privileges {
		g = append(g, domain.Grant{SecurableID: id, Principal: principal, Privilege: p})
	}
	return g
}

func all(lists ...[]domain.Grant) (g []domain.Grant) {
	for _, l := range lists {
		g = append(g, l...)
	}
	return g
}

func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	var (
		chat     = domain.Ref{Type: domain.TypeModel, FullName: "main.demo.chat"}
		nothing  = domain.Ref{Type: domain.TypeModel, FullName: "main.demo.nothing"}
		nowhere  = domain.Ref{Type: domain.TypeModel, FullName: "main.nowhere.x"}
		noWorld  = domain.Ref{Type: domain.TypeModel, FullName: "other.demo.x"}
		schema   = domain.Ref{Type: domain.TypeSchema, FullName: "main.demo"}
		catalog  = domain.Ref{Type: domain.TypeCatalog, FullName: "main"}
		endpoint = domain.Ref{Type: domain.TypeEndpoint, FullName: "faq"}
		pass     = all(grant("main", "eve", domain.UseCatalog), grant("demo", "eve", domain.UseSchema))
		eve      = domain.Caller{Name: "eve"}
		eveInOps = domain.Caller{Name: "eve", Groups: []string{"ops", "dev"}}
	)
	const ok = "ok"
	for name, c := range map[string]struct {
		caller domain.Caller
		grants []domain.Grant
		ref    domain.Ref
		want   domain.Privilege
		says   string // ok, or the reason; a reason that is visible begins with !
	}{
		"an admin may":                               {domain.Caller{Name: "a", Admin: true}, nil, chat, domain.Manage, ok},
		"an admin learns what does not exist":        {domain.Caller{Name: "a", Admin: true}, nil, nothing, domain.Manage, "model main.demo.nothing does not exist"},
		"an admin learns what schema does not exist": {domain.Caller{Name: "a", Admin: true}, nil, nowhere, domain.Manage, "schema main.nowhere does not exist"},
		"nobody is an admin by name":                 {domain.Caller{Name: "admins"}, nil, endpoint, domain.Manage, "!needs MANAGE on endpoint faq"},
		"the metastore's owners may all":             {domain.Caller{Name: "x", Groups: []string{"admins"}}, nil, chat, domain.Manage, ok},
		"without anything, nothing is known":         {eve, nil, chat, domain.Execute, "needs USE_CATALOG on main"},
		"the same for what does not exist":           {eve, nil, nothing, domain.Execute, "needs USE_CATALOG on main"},
		"the same for a catalog that does not exist": {eve, nil, noWorld, domain.Execute, "needs USE_CATALOG on other"},
		"USE_CATALOG alone does not pass the schema": {eve, grant("main", "eve", domain.UseCatalog), chat, domain.Execute, "needs USE_SCHEMA on main.demo"},
		"nor one that does not exist":                {eve, grant("main", "eve", domain.UseCatalog), nowhere, domain.Execute, "needs USE_SCHEMA on main.nowhere"},
		"USE_SCHEMA alone does not pass the catalog": {eve, grant("demo", "eve", domain.UseSchema, domain.Execute), chat, domain.Execute, "needs USE_CATALOG on main"},
		"EXECUTE alone does not pass":                {eve, grant("chat", "eve", domain.Execute), chat, domain.Execute, "needs USE_CATALOG on main"},
		"whoever passes sees what is missing":        {eve, pass, chat, domain.Execute, "!needs EXECUTE on model main.demo.chat"},
		"whoever passes learns what does not exist":  {eve, pass, nothing, domain.Execute, "model main.demo.nothing does not exist"},
		"passing and EXECUTE":                        {eve, all(pass, grant("chat", "eve", domain.Execute)), chat, domain.Execute, ok},
		"EXECUTE inherited from the schema":          {eve, all(pass, grant("demo", "eve", domain.Execute)), chat, domain.Execute, ok},
		"EXECUTE inherited from the catalog":         {eve, all(pass, grant("main", "eve", domain.Execute)), chat, domain.Execute, ok},
		"EXECUTE inherited from the metastore":       {eve, all(pass, grant("root", "eve", domain.Execute)), chat, domain.Execute, ok},
		"passage inherited from the metastore":       {eve, grant("root", "eve", domain.UseCatalog, domain.UseSchema, domain.Execute), chat, domain.Execute, ok},
		"USE_SCHEMA inherited from the catalog":      {eve, grant("main", "eve", domain.UseCatalog, domain.UseSchema, domain.Execute), nowhere, domain.Execute, "schema main.nowhere does not exist"},
		"EXECUTE does not manage":                    {eve, all(pass, grant("chat", "eve", domain.Execute)), chat, domain.Manage, "!needs MANAGE on model main.demo.chat"},
		"MANAGE does not execute":                    {eve, all(pass, grant("chat", "eve", domain.Manage)), chat, domain.Execute, "!needs EXECUTE on model main.demo.chat"},
		"grants do not rise":                         {eve, all(pass, grant("chat", "eve", domain.Manage)), schema, domain.Manage, "!needs MANAGE on schema main.demo"},
		"somebody else's grants do not count":        {eve, all(pass, grant("chat", "ada", domain.Execute)), chat, domain.Execute, "!needs EXECUTE on model main.demo.chat"},
		"a group's grants count for its members":     {eveInOps, all(grant("main", "ops", domain.UseCatalog), grant("demo", "dev", domain.UseSchema), grant("chat", "eve", domain.Execute)), chat, domain.Execute, ok},
		"not for others":                             {eve, all(pass, grant("chat", "ops", domain.Execute)), chat, domain.Execute, "!needs EXECUTE on model main.demo.chat"},
		"names of principals are not folded":         {domain.Caller{Name: "Eve"}, pass, chat, domain.Execute, "needs USE_CATALOG on main"},
		"the owner of the model must pass":           {domain.Caller{Name: "max"}, nil, chat, domain.Manage, "needs USE_CATALOG on main"},
		"the owner of the model who passes may all":  {domain.Caller{Name: "max"}, grant("root", "max", domain.UseCatalog, domain.UseSchema), chat, domain.CreateModelVersion, ok},
		"the owner of the schema may all below":      {domain.Caller{Name: "sam"}, grant("main", "sam", domain.UseCatalog), chat, domain.Execute, ok},
		"the owner of the catalog may all below":     {domain.Caller{Name: "cora"}, nil, chat, domain.Manage, ok},
		"a group may own":                            {domain.Caller{Name: "x", Groups: []string{"cora"}}, nil, chat, domain.Manage, ok},
		"a catalog is seen by all, used by few":      {eve, nil, catalog, domain.UseCatalog, "!needs USE_CATALOG on catalog main"},
		"an endpoint needs no passage":               {eve, grant("faq", "eve", domain.Execute), endpoint, domain.Execute, ok},
		"an endpoint is seen by all":                 {eve, nil, endpoint, domain.Execute, "!needs EXECUTE on endpoint faq"},
		"an endpoint's owner":                        {domain.Caller{Name: "max"}, nil, endpoint, domain.Manage, ok},
		"the metastore":                              {eve, nil, domain.Ref{Type: domain.TypeMetastore}, domain.CreateCatalog, "!needs CREATE_CATALOG on the metastore"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := domain.NewAccess(c.caller, c.ref, world(), domain.Holdings(c.grants))
			d := a.Decide(c.want)
			err := a.Require("test", c.want)
			switch {
			case c.says == ok:
				require.Equal(t, domain.Decision{Allowed: true, Visible: true}, d)
				require.NoError(t, err)
			case c.says[0] == '!':
				require.Equal(t, domain.Decision{Visible: true, Reason: c.says[1:]}, d)
				require.Equal(t, fault.PermissionDenied, fault.KindOf(err))
				require.Contains(t, fault.Text(err), c.says[1:])
			default:
				require.Equal(t, domain.Decision{Reason: c.says}, d)
				require.Equal(t, fault.NotFound, fault.KindOf(err))
				require.Contains(t, fault.Text(err), c.ref.String()+" not found")
			}
		})
	}
}

// What a stranger is told about a name must not depend on whether the thing, or anything above it, exists.
func TestAStrangerCannotTellWhatExists(t *testing.T) {
	t.Parallel()
	empty := map[domain.Ref]domain.Securable{{Type: domain.TypeMetastore}: world()[domain.Ref{Type: domain.TypeMetastore}]}
	for _, caller := range []domain.Caller{{Name: "eve"}, {Name: "eve", Groups: []string{"g"}}} {
		for _, ref := range []domain.Ref{{Type: domain.TypeModel, FullName: "main.demo.chat"}, {Type: domain.TypeSchema, FullName: "main.demo"}} {
			for _, p := range []domain.Privilege{domain.Execute, domain.Manage, domain.UseSchema} {
				there, gone := domain.NewAccess(caller, ref, world(), nil), domain.NewAccess(caller, ref, empty, nil)
				require.Equal(t, there.Decide(p), gone.Decide(p))
				require.Equal(t, fault.Text(there.Require("t", p)), fault.Text(gone.Require("t", p)))
				require.Equal(t, fault.Text(there.RequireCreate("t", p)), fault.Text(gone.RequireCreate("t", p)))
				require.Equal(t, fault.NotFound, fault.KindOf(gone.Require("t", p)))
			}
		}
	}
}

func TestCreatingNeedsAPrivilegeOnTheParent(t *testing.T) {
	t.Parallel()
	model := domain.Ref{Type: domain.TypeModel, FullName: "main.demo.new"}
	pass := all(grant("main", "eve", domain.UseCatalog), grant("demo", "eve", domain.UseSchema))
	for name, c := range map[string]struct {
		grants []domain.Grant
		ref    domain.Ref
		kind   fault.Kind
	}{
		"passing is not enough":    {pass, model, fault.PermissionDenied},
		"with the privilege":       {all(pass, grant("demo", "eve", domain.CreateModel)), model, ""},
		"inherited":                {all(pass, grant("main", "eve", domain.CreateModel)), model, ""},
		"without passing":          {grant("demo", "eve", domain.CreateModel), model, fault.NotFound},
		"in a schema that is not":  {all(grant("main", "eve", domain.UseCatalog, domain.UseSchema, domain.CreateModel)), domain.Ref{Type: domain.TypeModel, FullName: "main.no.new"}, fault.NotFound},
		"over one that exists":     {all(pass, grant("demo", "eve", domain.CreateModel)), domain.Ref{Type: domain.TypeModel, FullName: "main.demo.chat"}, ""},
		"MANAGE is not CREATE":     {all(pass, grant("demo", "eve", domain.Manage)), model, fault.PermissionDenied},
		"a privilege on the child": {all(pass, grant("chat", "eve", domain.CreateModel)), domain.Ref{Type: domain.TypeModel, FullName: "main.demo.chat"}, fault.PermissionDenied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := domain.NewAccess(domain.Caller{Name: "eve"}, c.ref, world(), domain.Holdings(c.grants)).RequireCreate("test", domain.CreateModel)
			require.Equal(t, c.kind, fault.KindOf(err), "%v", err)
		})
	}
}

func TestGrantChangesAreChecked(t *testing.T) {
	t.Parallel()
	add := func(p ...domain.Privilege) []domain.GrantChange {
		return []domain.GrantChange{{Principal: "eve", Add: p}}
	}
	for name, c := range map[string]struct {
		on      domain.SecurableType
		changes []domain.GrantChange
		ok      bool
	}{
		"EXECUTE on a model":               {domain.TypeModel, add(domain.Execute), true},
		"EXECUTE on a catalog":             {domain.TypeCatalog, add(domain.Execute), true},
		"several at once":                  {domain.TypeSchema, []domain.GrantChange{{Principal: "a", Add: []domain.Privilege{domain.UseSchema, domain.Execute}}, {Principal: "b", Remove: []domain.Privilege{domain.Manage}}}, true},
		"USE_CATALOG on a schema":          {domain.TypeSchema, add(domain.UseCatalog), false},
		"USE_SCHEMA on a model":            {domain.TypeModel, add(domain.UseSchema), false},
		"CREATE_CATALOG on a catalog":      {domain.TypeCatalog, add(domain.CreateCatalog), false},
		"CREATE_MODEL_VERSION on a prompt": {domain.TypePrompt, add(domain.CreateModelVersion), false},
		"CREATE_ENDPOINT on the metastore": {domain.TypeMetastore, add(domain.CreateEndpoint), true},
		"an unknown privilege":             {domain.TypeModel, add("FLY"), false},
		"nothing":                          {domain.TypeModel, add(), false},
		"no principal":                     {domain.TypeModel, []domain.GrantChange{{Add: []domain.Privilege{domain.Execute}}}, false},
		"added and removed":                {domain.TypeModel, []domain.GrantChange{{Principal: "a", Add: []domain.Privilege{domain.Execute}, Remove: []domain.Privilege{domain.Execute}}}, false},
		"a principal twice":                {domain.TypeModel, append(add(domain.Execute), add(domain.Manage)...), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := domain.CheckGrantChanges(c.on, c.changes)
			if c.ok {
				require.NoError(t, err)
			} else {
				require.Equal(t, fault.Invalid, fault.KindOf(err))
			}
		})
	}
}

func TestEventsReachThoseWhoMaySeeTheirSubject(t *testing.T) {
	t.Parallel()
	chat, gone := domain.Ref{Type: domain.TypeModel, FullName: "main.demo.chat"}, domain.Ref{Type: domain.TypeModel, FullName: "main.demo.gone"}
	pass := all(grant("main", "eve", domain.UseCatalog), grant("demo", "eve", domain.UseSchema))
	eve := domain.Caller{Name: "eve"}
	for name, c := range map[string]struct {
		caller domain.Caller
		grants []domain.Grant
		about  domain.Ref
		hears  bool
	}{
		"an admin":                          {domain.Caller{Name: "a", Admin: true}, nil, gone, true},
		"a stranger":                        {eve, nil, chat, false},
		"one who only passes":               {eve, pass, chat, false},
		"one who may execute":               {eve, all(pass, grant("chat", "eve", domain.Execute)), chat, true},
		"without passing":                   {eve, grant("chat", "eve", domain.Execute), chat, false},
		"of what is gone, by what is above": {eve, all(pass, grant("demo", "eve", domain.Execute)), gone, true},
		"of what is gone, otherwise not":    {eve, pass, gone, false},
		"of the metastore, all":             {eve, nil, domain.Ref{Type: domain.TypeMetastore}, true},
		"of an endpoint, who may query":     {eve, grant("faq", "eve", domain.Execute), domain.Ref{Type: domain.TypeEndpoint, FullName: "faq"}, true},
		"of an endpoint, not others":        {eve, nil, domain.Ref{Type: domain.TypeEndpoint, FullName: "faq"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.hears, domain.NewAccess(c.caller, c.about, world(), domain.Holdings(c.grants)).Hears())
		})
	}
}
