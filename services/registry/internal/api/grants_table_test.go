package api_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

// names is what a row of the table calls about, so that the same call can be made about things that do not exist.
type names struct{ catalog, schema, empty, model, prompt string }

var (
	real      = names{"main", "main.demo", "main.empty", chat, greet}
	inNoPlace = names{"main", "main.ghosts", "main.ghost", "main.ghosts.chat", "main.ghosts.greet"}
	nowhere   = names{"gone", "gone.demo", "gone.empty", "gone.demo.chat", "gone.demo.greet"}
)

func onMetastore(names) *registryv1.Securable { return metastore() }
func onCatalog(n names) *registryv1.Securable { return catalogNamed(n.catalog) }
func onSchema(n names) *registryv1.Securable  { return schemaNamed(n.schema) }
func onEmpty(n names) *registryv1.Securable   { return schemaNamed(n.empty) }
func onModel(n names) *registryv1.Securable   { return modelNamed(n.model) }
func onPrompt(n names) *registryv1.Securable  { return promptNamed(n.prompt) }

// row is one RPC: what it takes, beside passing to the thing, and how it is called.
type row struct {
	place func(n names) *registryv1.Securable // of the privilege
	needs registryv1.Privilege
	top   bool // about something that everyone may know of
	call  func(ctx context.Context, h *house, n names) error
}

func err[T any](_ T, err error) error { return err }

// table is every RPC that a privilege opens. Lists, CheckAccess, RegisterSecurable, UnregisterSecurable and WatchEvents
// open to all or to services alone, and have tests of their own.
var table = map[string]row{
	"CreateCatalog": {onMetastore, createCatalog, true, func(ctx context.Context, h *house, _ names) error {
		return err(h.catalog.CreateCatalog(ctx, &registryv1.CreateCatalogRequest{Name: "new"}))
	}},
	"GetCatalog": {onCatalog, useCatalog, true, func(ctx context.Context, h *house, n names) error {
		return err(h.catalog.GetCatalog(ctx, &registryv1.GetCatalogRequest{Name: n.catalog}))
	}},
	"DeleteCatalog": {func(names) *registryv1.Securable { return catalogNamed("bare") }, manage, true, func(ctx context.Context, h *house, _ names) error {
		return err(h.catalog.DeleteCatalog(ctx, &registryv1.DeleteCatalogRequest{Name: "bare"}))
	}},
	"ListSchemas": {onCatalog, useCatalog, true, func(ctx context.Context, h *house, n names) error {
		return err(h.catalog.ListSchemas(ctx, &registryv1.ListSchemasRequest{Catalog: n.catalog}))
	}},
	"CreateSchema": {onCatalog, createSchema, false, func(ctx context.Context, h *house, n names) error {
		return err(h.catalog.CreateSchema(ctx, &registryv1.CreateSchemaRequest{FullName: n.catalog + ".new"}))
	}},
	"GetSchema": {onSchema, useSchema, false, func(ctx context.Context, h *house, n names) error {
		return err(h.catalog.GetSchema(ctx, &registryv1.GetSchemaRequest{FullName: n.schema}))
	}},
	"DeleteSchema": {onEmpty, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.catalog.DeleteSchema(ctx, &registryv1.DeleteSchemaRequest{FullName: n.empty}))
	}},
	"ListModels": {onSchema, useSchema, false, func(ctx context.Context, h *house, n names) error {
		return err(h.model.ListModels(ctx, &registryv1.ListModelsRequest{Schema: n.schema}))
	}},
	"CreateModel": {onSchema, createModel, false, func(ctx context.Context, h *house, n names) error {
		return err(h.model.CreateModel(ctx, &registryv1.CreateModelRequest{FullName: n.schema + ".new"}))
	}},
	"GetModel": {onModel, execute, false, func(ctx context.Context, h *house, n names) error {
		return err(h.model.GetModel(ctx, &registryv1.GetModelRequest{FullName: n.model}))
	}},
	"UpdateModel": {onModel, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.model.UpdateModel(ctx, &registryv1.UpdateModelRequest{FullName: n.model, SetTags: map[string]string{"k": "v"}}))
	}},
	"DeleteModel": {onModel, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.model.DeleteModel(ctx, &registryv1.DeleteModelRequest{FullName: n.model}))
	}},
	"CreateModelVersion": {onModel, createModelVersion, false, func(ctx context.Context, h *house, n names) error {
		return err(h.model.CreateModelVersion(ctx, &registryv1.CreateModelVersionRequest{Model: n.model, Format: "custom"}))
	}},
	"CreateModelVersion as manager": {onModel, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.model.CreateModelVersion(ctx, &registryv1.CreateModelVersionRequest{Model: n.model, Format: "custom"}))
	}},
	"UploadArtifact": {onModel, createModelVersion, false, func(ctx context.Context, h *house, n names) error {
		return err(h.upload(ctx, n.model, 2, "more.bin", []byte("more")))
	}},
	"FinalizeModelVersion": {onModel, createModelVersion, false, func(ctx context.Context, h *house, n names) error {
		return err(h.model.FinalizeModelVersion(ctx, &registryv1.FinalizeModelVersionRequest{Model: n.model, Version: 2}))
	}},
	"GetModelVersion": {onModel, execute, false, func(ctx context.Context, h *house, n names) error {
		return err(h.model.GetModelVersion(ctx, &registryv1.GetModelVersionRequest{Model: n.model, Version: 1}))
	}},
	"GetModelVersion as manager": {onModel, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.model.GetModelVersion(ctx, &registryv1.GetModelVersionRequest{Model: n.model, Version: 1}))
	}},
	"ListModelVersions": {onModel, createModelVersion, false, func(ctx context.Context, h *house, n names) error {
		return err(h.model.ListModelVersions(ctx, &registryv1.ListModelVersionsRequest{Model: n.model}))
	}},
	"ResolveModelVersion": {onModel, execute, false, func(ctx context.Context, h *house, n names) error {
		return err(h.model.ResolveModelVersion(ctx, &registryv1.ResolveModelVersionRequest{Uri: "models:/" + n.model + "@champion"}))
	}},
	"DownloadArtifact": {onModel, execute, false, func(ctx context.Context, h *house, n names) error {
		_, _, err := h.download(ctx, n.model, 1, "weights.bin", 0)
		return err
	}},
	"SetModelAlias": {onModel, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.model.SetModelAlias(ctx, &registryv1.SetModelAliasRequest{Model: n.model, Alias: "x", Version: 1}))
	}},
	"DeleteModelAlias": {onModel, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.model.DeleteModelAlias(ctx, &registryv1.DeleteModelAliasRequest{Model: n.model, Alias: "champion"}))
	}},
	"SetModelVersionTags": {onModel, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.model.SetModelVersionTags(ctx, &registryv1.SetModelVersionTagsRequest{Model: n.model, Version: 1, SetTags: map[string]string{"k": "v"}}))
	}},
	"ListPrompts": {onSchema, useSchema, false, func(ctx context.Context, h *house, n names) error {
		return err(h.prompt.ListPrompts(ctx, &registryv1.ListPromptsRequest{Schema: n.schema}))
	}},
	"CreatePrompt": {onSchema, createPrompt, false, func(ctx context.Context, h *house, n names) error {
		return err(h.prompt.CreatePrompt(ctx, &registryv1.CreatePromptRequest{FullName: n.schema + ".new"}))
	}},
	"GetPrompt": {onPrompt, execute, false, func(ctx context.Context, h *house, n names) error {
		return err(h.prompt.GetPrompt(ctx, &registryv1.GetPromptRequest{FullName: n.prompt}))
	}},
	"DeletePrompt": {onPrompt, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.prompt.DeletePrompt(ctx, &registryv1.DeletePromptRequest{FullName: n.prompt}))
	}},
	"CreatePromptVersion": {onPrompt, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.prompt.CreatePromptVersion(ctx, &registryv1.CreatePromptVersionRequest{Prompt: n.prompt, Template: "x"}))
	}},
	"ImportPromptVersion": {onPrompt, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.prompt.ImportPromptVersion(ctx, &registryv1.ImportPromptVersionRequest{Prompt: n.prompt, FileName: "p.txt", Content: []byte("x")}))
	}},
	"GetPromptVersion": {onPrompt, execute, false, func(ctx context.Context, h *house, n names) error {
		return err(h.prompt.GetPromptVersion(ctx, &registryv1.GetPromptVersionRequest{Prompt: n.prompt, Version: 1}))
	}},
	"ListPromptVersions": {onPrompt, execute, false, func(ctx context.Context, h *house, n names) error {
		return err(h.prompt.ListPromptVersions(ctx, &registryv1.ListPromptVersionsRequest{Prompt: n.prompt}))
	}},
	"ResolvePromptVersion": {onPrompt, execute, false, func(ctx context.Context, h *house, n names) error {
		return err(h.prompt.ResolvePromptVersion(ctx, &registryv1.ResolvePromptVersionRequest{Uri: "prompts:/" + n.prompt + "@prod"}))
	}},
	"SetPromptAlias": {onPrompt, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.prompt.SetPromptAlias(ctx, &registryv1.SetPromptAliasRequest{Prompt: n.prompt, Alias: "x", Version: 1}))
	}},
	"DeletePromptAlias": {onPrompt, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.prompt.DeletePromptAlias(ctx, &registryv1.DeletePromptAliasRequest{Prompt: n.prompt, Alias: "prod"}))
	}},
	"UpdateGrants": {onModel, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.access.UpdateGrants(ctx, &registryv1.UpdateGrantsRequest{Securable: modelNamed(n.model), Changes: []*registryv1.GrantChange{{Principal: "x", Add: []registryv1.Privilege{execute}}}}))
	}},
	"ListGrants of others": {onModel, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.access.ListGrants(ctx, &registryv1.ListGrantsRequest{Securable: modelNamed(n.model), Principal: "somebody else"}))
	}},
	"AddLineage, upstream": {onModel, execute, false, func(ctx context.Context, h *house, n names) error {
		return err(h.lineage.AddLineage(ctx, &registryv1.AddLineageRequest{Edges: []*registryv1.LineageEdge{{Upstream: "models:/" + n.model + "/1", Downstream: "table:/t", Relation: "logs_to"}}}))
	}},
	"AddLineage, downstream": {onModel, manage, false, func(ctx context.Context, h *house, n names) error {
		return err(h.lineage.AddLineage(ctx, &registryv1.AddLineageRequest{Edges: []*registryv1.LineageEdge{{Upstream: "table:/t", Downstream: "models:/" + n.model + "/1", Relation: "trained_on"}}}))
	}},
	"GetLineage": {onModel, execute, false, func(ctx context.Context, h *house, n names) error {
		return err(h.lineage.GetLineage(ctx, &registryv1.GetLineageRequest{Entity: "models:/" + n.model + "/1"}))
	}},
}

// onBoth is the rows that are walked on PostgreSQL too: one for each way in which a decision is read from the store. The
// decisions themselves know no store.
var onBoth = map[string]bool{
	"CreateCatalog": true, "DeleteSchema": true, "CreateModel": true, "FinalizeModelVersion": true, "ResolvePromptVersion": true, "UpdateGrants": true, "GetLineage": true,
}

// Each row is walked from outside to inside: nobody, a stranger, somebody who gets nearer step by step, and in the end
// somebody who may. What the stranger hears must be the same as about things that do not exist.
func TestEveryCallTakesItsPrivilege(t *testing.T) {
	t.Parallel()
	for name, r := range table {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := eachStore
			if !onBoth[name] {
				run = onSQLite
			}
			run(t, func(t *testing.T, h *house) {
				furnish(t, h)
				eve := as(t, "eve", "visitors")

				refused(t, r.call(t.Context(), h, real), fault.Unauthenticated, "")
				if r.top {
					refused(t, r.call(eve, h, real), fault.PermissionDenied, "MISSING_PRIVILEGE", "eve needs")
				} else {
					leaksNothing(t, h, eve, r)
					h.grant("visitors", catalogNamed("main"), useCatalog)
				}
				deep := !r.top && levels(r.place(real)) > 1
				if deep && levels(r.place(real)) > 2 || r.needs == createModel || r.needs == createPrompt {
					leaksNothing(t, h, eve, r)
					h.grant("visitors", schemaNamed("main.demo"), useSchema)
				}
				if !r.top {
					refused(t, r.call(eve, h, real), fault.PermissionDenied, "MISSING_PRIVILEGE", "eve")
				}
				h.grant("eve", r.place(real), r.needs)
				require.NoError(t, r.call(eve, h, real))
			})
		})
	}
}

func levels(s *registryv1.Securable) int {
	if s.GetFullName() == "" {
		return 0
	}
	return strings.Count(s.GetFullName(), ".") + 1
}

func leaksNothing(t *testing.T, h *house, ctx context.Context, r row) {
	t.Helper()
	about := r.call(ctx, h, real)
	refused(t, about, fault.NotFound, "", "not found")
	for _, ghosts := range []names{inNoPlace, nowhere} {
		if ghosts.catalog == real.catalog && levels(r.place(real)) < 2 { // it differs in nothing that the call names
			continue
		}
		ghost := r.call(ctx, h, ghosts)
		refused(t, ghost, fault.NotFound, "")
		text := fault.Text(ghost)
		for _, pair := range [][2]string{{ghosts.model, real.model}, {ghosts.prompt, real.prompt}, {ghosts.schema, real.schema}, {ghosts.empty, real.empty}, {ghosts.catalog, real.catalog}} {
			text = strings.ReplaceAll(text, pair[0], pair[1])
		}
		if ghosts.catalog != real.catalog && !strings.Contains(fault.Text(about), "USE_CATALOG") {
			continue // past the catalog, another catalog is another question
		}
		require.Equal(t, fault.Text(about), text)
		require.Equal(t, fault.Reason(about), fault.Reason(ghost))
	}
}

func TestOwnersAdminsAndServicesMayAll(t *testing.T) {
	t.Parallel()
	for name, r := range table {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			served := open(t, sqlite(t), nil)
			furnish(t, served) // as an admin, who so tries most of them
			require.NoError(t, r.call(auth.With(t.Context(), auth.Service("gateway")), served, real))
			h := open(t, sqlite(t), nil)
			furnish(t, h)
			if r.place(real).GetFullName() == "" {
				return
			}
			h.grant("root", metastore(), useCatalog, useSchema, createSchema) // root owns everything here, and is no admin now
			require.NoError(t, r.call(as(t, "root"), h, real))
		})
	}
}
