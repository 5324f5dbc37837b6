package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

const (
	pending = registryv1.ModelVersionStatus_MODEL_VERSION_STATUS_PENDING_UPLOAD
	ready   = registryv1.ModelVersionStatus_MODEL_VERSION_STATUS_READY
	failed  = registryv1.ModelVersionStatus_MODEL_VERSION_STATUS_FAILED
)

func TestAModelLives(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		furnish(t, h)
		ctx := admin(t)
		m := must[*registryv1.GetModelResponse](t)(h.model.GetModel(ctx, &registryv1.GetModelRequest{FullName: chat})).GetModel()
		require.Equal(t, map[string]int64{"champion": 1}, m.GetAliases())
		require.Equal(t, map[string]string{"team": "search"}, m.GetTags())
		require.EqualValues(t, 2, m.GetLatestVersion())
		refused(t, err(h.model.CreateModel(ctx, &registryv1.CreateModelRequest{FullName: chat})), fault.AlreadyExists, "", "model main.demo.chat already exists")

		comment, owner := "", "ada"
		u := must[*registryv1.UpdateModelResponse](t)(h.model.UpdateModel(ctx, &registryv1.UpdateModelRequest{
			FullName: chat, Comment: &comment, Owner: &owner, SetTags: map[string]string{"new": ""}, RemoveTags: []string{"team"},
		})).GetModel()
		require.Equal(t, "ada", u.GetOwner())
		require.Equal(t, map[string]string{"new": ""}, u.GetTags())
		require.True(t, u.GetUpdateTime().AsTime().After(m.GetUpdateTime().AsTime()))
		require.Equal(t, u.String(), must[*registryv1.GetModelResponse](t)(h.model.GetModel(ctx, &registryv1.GetModelRequest{FullName: chat})).GetModel().String())
		same := must[*registryv1.UpdateModelResponse](t)(h.model.UpdateModel(ctx, &registryv1.UpdateModelRequest{FullName: chat})).GetModel()
		require.Equal(t, u.String(), same.String(), "no change is no change")

		empty := ""
		refused(t, err(h.model.UpdateModel(ctx, &registryv1.UpdateModelRequest{FullName: chat, Owner: &empty})), fault.Invalid, "PRINCIPAL_INVALID")
		refused(t, err(h.model.UpdateModel(ctx, &registryv1.UpdateModelRequest{FullName: chat, SetTags: map[string]string{"": "x"}})), fault.Invalid, "TAG_INVALID")
		refused(t, err(h.model.UpdateModel(ctx, &registryv1.UpdateModelRequest{FullName: chat, SetTags: map[string]string{"a": "x"}, RemoveTags: []string{"a"}})), fault.Invalid, "TAG_INVALID")
		long := strings.Repeat("x", 70000)
		refused(t, err(h.model.UpdateModel(ctx, &registryv1.UpdateModelRequest{FullName: chat, Comment: &long})), fault.Invalid, "COMMENT_INVALID")
		after := must[*registryv1.GetModelResponse](t)(h.model.GetModel(ctx, &registryv1.GetModelRequest{FullName: chat})).GetModel()
		require.Equal(t, u.String(), after.String(), "a refused change changes nothing")

		must[*registryv1.DeleteModelResponse](t)(h.model.DeleteModel(ctx, &registryv1.DeleteModelRequest{FullName: chat}))
		refused(t, err(h.model.GetModel(ctx, &registryv1.GetModelRequest{FullName: chat})), fault.NotFound, "", "model main.demo.chat not found")
		refused(t, err(h.model.DeleteModel(ctx, &registryv1.DeleteModelRequest{FullName: chat})), fault.NotFound, "")
		must[*registryv1.CreateModelResponse](t)(h.model.CreateModel(ctx, &registryv1.CreateModelRequest{FullName: chat}))
		require.EqualValues(t, 1, newVersion(t, h, ctx, chat, "custom"), "another model, which begins at 1")
	})
}

func TestTagsHaveALimitAltogether(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), nil)
	furnish(t, h)
	tags := func(prefix string, n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprint(prefix, i)] = "x"
		}
		return m
	}
	ctx := admin(t)
	must[*registryv1.UpdateModelResponse](t)(h.model.UpdateModel(ctx, &registryv1.UpdateModelRequest{FullName: chat, SetTags: tags("a", 200)}))
	refused(t, err(h.model.UpdateModel(ctx, &registryv1.UpdateModelRequest{FullName: chat, SetTags: tags("b", 200)})), fault.Invalid, "TAG_INVALID", "at most 256")
	must[*registryv1.SetModelVersionTagsResponse](t)(h.model.SetModelVersionTags(ctx, &registryv1.SetModelVersionTagsRequest{Model: chat, Version: 1, SetTags: tags("a", 200)}))
	refused(t, err(h.model.SetModelVersionTags(ctx, &registryv1.SetModelVersionTagsRequest{Model: chat, Version: 1, SetTags: tags("b", 200)})), fault.Invalid, "TAG_INVALID")
	v := must[*registryv1.GetModelVersionResponse](t)(h.model.GetModelVersion(ctx, &registryv1.GetModelVersionRequest{Model: chat, Version: 1})).GetModelVersion()
	require.Len(t, v.GetTags(), 200)
}

func TestARealModelIsRegistered(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		furnish(t, h)
		ctx := admin(t)
		weights := tiny(t)
		v := must[*registryv1.CreateModelVersionResponse](t)(h.model.CreateModelVersion(ctx, &registryv1.CreateModelVersionRequest{
			Model: chat, Format: "gguf", Comment: "first real one", Tags: map[string]string{"k": "v"}, Source: "models:/main.demo.chat@champion",
		})).GetModelVersion()
		require.Equal(t, pending, v.GetStatus())
		require.EqualValues(t, 3, v.GetVersion())
		require.Equal(t, "root", v.GetCreator())
		file := must[*registryv1.ArtifactFile](t)(h.upload(ctx, chat, 3, "tiny.gguf", weights))
		require.Equal(t, (&registryv1.ArtifactFile{Path: "tiny.gguf", SizeBytes: int64(len(weights)), Sha256: digest(weights)}).String(), file.String())

		done := must[*registryv1.FinalizeModelVersionResponse](t)(h.model.FinalizeModelVersion(ctx, &registryv1.FinalizeModelVersionRequest{
			Model: chat, Version: 3, ExpectedFiles: []*registryv1.ArtifactFile{file},
		})).GetModelVersion()
		require.Equal(t, ready, done.GetStatus())
		for k, want := range map[string]string{"architecture": "llama", "parameters": "853120", "context_length": "512", "quantization": "Q8_0"} {
			require.Equal(t, want, done.GetProperties()[k], k)
		}
		got := must[*registryv1.GetModelVersionResponse](t)(h.model.GetModelVersion(ctx, &registryv1.GetModelVersionRequest{Model: chat, Version: 3})).GetModelVersion()
		require.Equal(t, done.String(), got.String(), "what Finalize said is what is kept")

		previous := must[*registryv1.SetModelAliasResponse](t)(h.model.SetModelAlias(ctx, &registryv1.SetModelAliasRequest{Model: chat, Alias: "champion", Version: 3}))
		require.EqualValues(t, 1, previous.GetPreviousVersion())
		for _, uri := range []string{"models:/main.demo.chat@champion", "models:/main.demo.chat/3"} {
			resolved := must[*registryv1.ResolveModelVersionResponse](t)(h.model.ResolveModelVersion(ctx, &registryv1.ResolveModelVersionRequest{Uri: uri})).GetModelVersion()
			require.EqualValues(t, 3, resolved.GetVersion())
			require.Equal(t, []string{"champion"}, resolved.GetAliases())
		}
		edges := must[*registryv1.GetLineageResponse](t)(h.lineage.GetLineage(ctx, &registryv1.GetLineageRequest{Entity: "models:/main.demo.chat/3"})).GetEdges()
		require.Len(t, edges, 1)
		require.Equal(t, []string{"models:/main.demo.chat/1", "models:/main.demo.chat/3", "derived_from"}, []string{edges[0].GetUpstream(), edges[0].GetDownstream(), edges[0].GetRelation()})
	})
}

func TestAReadyVersionDoesNotChange(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		furnish(t, h)
		ctx := admin(t)
		get := func() *registryv1.ModelVersion {
			return must[*registryv1.GetModelVersionResponse](t)(h.model.GetModelVersion(ctx, &registryv1.GetModelVersionRequest{Model: chat, Version: 1})).GetModelVersion()
		}
		before := get()
		_, err := h.upload(ctx, chat, 1, "weights.bin", []byte("other weights"))
		refused(t, err, fault.FailedPrecondition, "VERSION_IMMUTABLE", "version 1 of model main.demo.chat is READY")
		_, err = h.upload(ctx, chat, 1, "new.bin", []byte("other weights"))
		refused(t, err, fault.FailedPrecondition, "VERSION_IMMUTABLE")
		_, err = h.model.FinalizeModelVersion(ctx, &registryv1.FinalizeModelVersionRequest{Model: chat, Version: 1})
		refused(t, err, fault.FailedPrecondition, "VERSION_IMMUTABLE")
		require.Equal(t, before.String(), get().String())

		tagged := must[*registryv1.SetModelVersionTagsResponse](t)(h.model.SetModelVersionTags(ctx, &registryv1.SetModelVersionTagsRequest{
			Model: chat, Version: 1, SetTags: map[string]string{"stage": "prod"}, RemoveTags: []string{"never was"},
		})).GetModelVersion()
		require.Equal(t, map[string]string{"stage": "prod"}, tagged.GetTags())
		require.Equal(t, before.GetFiles()[0].String(), tagged.GetFiles()[0].String())
		require.Equal(t, tagged.String(), get().String())
	})
}

func TestAVersionIsFinalizedOnlyWhole(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), nil)
	furnish(t, h)
	ctx := admin(t)
	file := func(path string, size int64, sha string) *registryv1.ArtifactFile {
		return &registryv1.ArtifactFile{Path: path, SizeBytes: size, Sha256: sha}
	}
	sha := digest([]byte("some weights"))
	for name, c := range map[string]struct {
		expected []*registryv1.ArtifactFile
		kind     fault.Kind
		reason   string
	}{
		"a file is missing":   {[]*registryv1.ArtifactFile{file("weights.bin", 12, sha), file("more.bin", 1, "")}, fault.FailedPrecondition, "FILES_MISSING"},
		"one is not expected": {[]*registryv1.ArtifactFile{file("more.bin", 1, "")}, fault.FailedPrecondition, "FILES_MISSING"},
		"another size":        {[]*registryv1.ArtifactFile{file("weights.bin", 13, sha)}, fault.Invalid, "FILE_MISMATCH"},
		"another digest":      {[]*registryv1.ArtifactFile{file("weights.bin", 12, digest(nil))}, fault.Invalid, "FILE_MISMATCH"},
		"no digest at all":    {[]*registryv1.ArtifactFile{file("weights.bin", 12, "abc")}, fault.Invalid, "SHA256_INVALID"},
		"a path that is not":  {[]*registryv1.ArtifactFile{file("../weights.bin", 12, sha)}, fault.Invalid, "PATH_INVALID"},
	} {
		_, err := h.model.FinalizeModelVersion(ctx, &registryv1.FinalizeModelVersionRequest{Model: chat, Version: 2, ExpectedFiles: c.expected})
		refused(t, err, c.kind, c.reason)
		v := must[*registryv1.GetModelVersionResponse](t)(h.model.GetModelVersion(ctx, &registryv1.GetModelVersionRequest{Model: chat, Version: 2})).GetModelVersion()
		require.Equal(t, pending, v.GetStatus(), "%s: it can still be mended", name)
	}
	v := newVersion(t, h, ctx, chat, "custom")
	_, err := h.model.FinalizeModelVersion(ctx, &registryv1.FinalizeModelVersionRequest{Model: chat, Version: v})
	refused(t, err, fault.FailedPrecondition, "FILES_MISSING")
	_, err = h.model.FinalizeModelVersion(ctx, &registryv1.FinalizeModelVersionRequest{Model: chat, Version: 99})
	refused(t, err, fault.NotFound, "", "version 99 of model main.demo.chat not found")
	must[*registryv1.FinalizeModelVersionResponse](t)(h.model.FinalizeModelVersion(ctx, &registryv1.FinalizeModelVersionRequest{
		Model: chat, Version: 2, ExpectedFiles: []*registryv1.ArtifactFile{file("weights.bin", 12, strings.ToUpper(sha))},
	}))
}

func TestDamagedFilesFailTheirVersionForGood(t *testing.T) {
	t.Parallel()
	weights := tiny(t)
	for name, c := range map[string]struct {
		content []byte
		says    string
	}{
		"cut short":        {weights[:len(weights)/2], "cut short"},
		"another format":   {[]byte("PK\x03\x04, a zip file, as it happens, and long enough to be one"), "does not begin with GGUF"},
		"nothing":          {nil, "empty (0 bytes)"},
		"a damaged header": {append([]byte("GGUF\x03\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"), weights[16:]...), "damaged GGUF file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, h *house) {
				furnish(t, h)
				ctx := admin(t)
				v := newVersion(t, h, ctx, chat, "gguf")
				// The size is not announced, so that also the empty file arrives.
				must[*registryv1.ArtifactFile](t)(h.send(ctx, &registryv1.UploadArtifactHeader{Model: chat, Version: v, File: &registryv1.ArtifactFile{Path: "dir/model.gguf"}}, c.content))
				_, err := h.model.FinalizeModelVersion(ctx, &registryv1.FinalizeModelVersionRequest{Model: chat, Version: v})
				refused(t, err, fault.Invalid, "", `"dir/model.gguf"`, c.says)
				got := must[*registryv1.GetModelVersionResponse](t)(h.model.GetModelVersion(ctx, &registryv1.GetModelVersionRequest{Model: chat, Version: v})).GetModelVersion()
				require.Equal(t, failed, got.GetStatus())
				require.Equal(t, fault.Text(err), got.GetStatusMessage())
				require.Empty(t, got.GetProperties())
				told := history(t, h, ctx)
				last := told[len(told)-1]
				require.Equal(t, registryv1.EventKind_EVENT_KIND_UPDATED, last.GetKind())
				require.Equal(t, v, last.GetVersion())

				_, err = h.upload(ctx, chat, v, "dir/model.gguf", weights)
				refused(t, err, fault.FailedPrecondition, "VERSION_IMMUTABLE")
				_, err = h.model.SetModelAlias(ctx, &registryv1.SetModelAliasRequest{Model: chat, Alias: "bad", Version: v})
				refused(t, err, fault.FailedPrecondition, "VERSION_NOT_READY", "FAILED")
				_, err = h.model.ResolveModelVersion(ctx, &registryv1.ResolveModelVersionRequest{Uri: fmt.Sprintf("models:/%s/%d", chat, v)})
				refused(t, err, fault.FailedPrecondition, "VERSION_NOT_READY")
				_, _, err = h.download(ctx, chat, v, "dir/model.gguf", 0)
				refused(t, err, fault.FailedPrecondition, "VERSION_NOT_READY")
			})
		})
	}
}

func TestAliasesPointOnlyWhereTheyShould(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), nil)
	furnish(t, h)
	ctx := admin(t)
	set := func(alias string, version int64) error {
		return err(h.model.SetModelAlias(ctx, &registryv1.SetModelAliasRequest{Model: chat, Alias: alias, Version: version}))
	}
	refused(t, set("7", 1), fault.Invalid, "ALIAS_INVALID", "is a number")
	refused(t, set("Latest", 1), fault.Invalid, "ALIAS_INVALID", "reserved")
	refused(t, set("a b", 1), fault.Invalid, "NAME_INVALID")
	refused(t, set("", 1), fault.Invalid, "")
	refused(t, set("a", 0), fault.Invalid, "")
	refused(t, set("a", 99), fault.NotFound, "", "version 99 of model main.demo.chat not found")
	refused(t, set("a", 2), fault.FailedPrecondition, "VERSION_NOT_READY", "PENDING_UPLOAD")
	require.NoError(t, set("cafe\u0301", 1))

	resolve := func(uri string) error {
		return err(h.model.ResolveModelVersion(ctx, &registryv1.ResolveModelVersionRequest{Uri: uri}))
	}
	require.NoError(t, resolve("models:/main.demo.chat@café"))
	refused(t, resolve("models:/main.demo.chat@nobody"), fault.NotFound, "", "alias nobody of model main.demo.chat not found")
	refused(t, resolve("models:/main.demo.chat@Champion"), fault.NotFound, "")
	refused(t, resolve("models:/main.demo.chat/99"), fault.NotFound, "")
	refused(t, resolve("models:/main.demo.chat/2"), fault.FailedPrecondition, "VERSION_NOT_READY")
	refused(t, resolve("models:/main.demo.chat"), fault.Invalid, "REFERENCE_INVALID")
	refused(t, resolve("prompts:/main.demo.greet/1"), fault.Invalid, "REFERENCE_INVALID")

	remove := func(alias string) error {
		return err(h.model.DeleteModelAlias(ctx, &registryv1.DeleteModelAliasRequest{Model: chat, Alias: alias}))
	}
	require.NoError(t, remove("champion"))
	refused(t, remove("champion"), fault.NotFound, "", "alias champion of model main.demo.chat not found")
}

// Sixteen clients move one alias at once. Each is told where it was before, and the answers fit together into one line of
// moves, which is the line that the events tell.
func TestConcurrentAliasMovesAreOneLine(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		furnish(t, h)
		ctx := admin(t)
		const movers, each = 16, 3
		for range movers * each {
			v := newVersion(t, h, ctx, chat, "custom")
			must[*registryv1.ArtifactFile](t)(h.upload(ctx, chat, v, "w", []byte("x")))
			finalize(t, h, ctx, chat, v)
		}
		start := position(t, h)
		var mu sync.Mutex
		before := map[int64]int64{} // version → where the alias was when it moved here
		var wg sync.WaitGroup
		for m := range movers {
			wg.Go(func() {
				for i := range each {
					version := int64(3 + m*each + i)
					r, err := h.model.SetModelAlias(ctx, &registryv1.SetModelAliasRequest{Model: chat, Alias: "prod", Version: version})
					if err != nil {
						t.Errorf("move to %d: %v", version, err)
						return
					}
					mu.Lock()
					before[version] = r.GetPreviousVersion()
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		at := int64(0)
		for i, e := range collect(t, h, ctx, start, movers*each) {
			require.Equal(t, start+int64(i)+1, e.GetPosition())
			require.Equal(t, registryv1.EventKind_EVENT_KIND_MODEL_ALIAS_SET, e.GetKind())
			require.Equal(t, at, before[e.GetVersion()])
			at = e.GetVersion()
		}
		m := must[*registryv1.GetModelResponse](t)(h.model.GetModel(ctx, &registryv1.GetModelRequest{FullName: chat})).GetModel()
		require.Equal(t, at, m.GetAliases()["prod"])
	})
}

func TestConcurrentVersionsAreNumberedWithoutGapsAndDoubles(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		furnish(t, h)
		ctx := admin(t)
		var mu sync.Mutex
		seen := map[int64]bool{}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for range 3 {
					r, err := h.model.CreateModelVersion(ctx, &registryv1.CreateModelVersionRequest{Model: chat, Format: "custom"})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					seen[r.GetModelVersion().GetVersion()] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for v := int64(3); v <= 50; v++ {
			require.True(t, seen[v], "version %d", v)
		}
		require.Len(t, seen, 48)
	})
}

func TestAVersionSaysWhereItComesFrom(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), nil)
	furnish(t, h)
	ctx := admin(t)
	create := func(source string) error {
		return err(h.model.CreateModelVersion(ctx, &registryv1.CreateModelVersionRequest{Model: chat, Format: "custom", Source: source}))
	}
	for _, fine := range []string{"", "https://example.org/model", "run:/7", "table:/main.demo.questions", "models:/main.demo.chat/1", "prompts:/main.demo.greet@prod", "models:/m-123"} {
		require.NoError(t, create(fine), fine)
	}
	before := must[*registryv1.GetModelResponse](t)(h.model.GetModel(ctx, &registryv1.GetModelRequest{FullName: chat})).GetModel()
	for _, bad := range []string{"models:/main.demo.nobody/1", "models:/main.demo.chat/99", "models:/main.demo.chat@nobody", "endpoints:/nobody"} {
		refused(t, create(bad), fault.NotFound, "SOURCE_UNKNOWN", "the source "+bad)
	}
	refused(t, create(strings.Repeat("x", 5000)), fault.Invalid, "SOURCE_INVALID")
	after := must[*registryv1.GetModelResponse](t)(h.model.GetModel(ctx, &registryv1.GetModelRequest{FullName: chat})).GetModel()
	require.Equal(t, before.GetLatestVersion(), after.GetLatestVersion(), "a refused version takes no number")

	refused(t, err(h.model.CreateModelVersion(ctx, &registryv1.CreateModelVersionRequest{Model: chat, Format: "pickle"})), fault.Invalid, "")
	refused(t, err(h.model.CreateModelVersion(ctx, &registryv1.CreateModelVersionRequest{Model: chat, Format: "custom", Tags: map[string]string{"": ""}})), fault.Invalid, "TAG_INVALID")
	refused(t, err(h.model.CreateModelVersion(ctx, &registryv1.CreateModelVersionRequest{Model: "main.demo.nobody", Format: "custom"})), fault.NotFound, "")
}

func TestAModelInUseIsKept(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, h *house) {
		furnish(t, h)
		serving, ctx := internal(t), admin(t)
		must[*registryv1.AddLineageResponse](t)(h.lineage.AddLineage(serving, &registryv1.AddLineageRequest{Edges: []*registryv1.LineageEdge{
			{Upstream: "models:/main.demo.chat@champion", Downstream: "endpoints:/faq", Relation: "serves"},
			{Upstream: "prompts:/main.demo.greet/1", Downstream: "endpoints:/faq", Relation: "renders"},
		}}))
		refused(t, err(h.model.DeleteModel(ctx, &registryv1.DeleteModelRequest{FullName: chat})), fault.FailedPrecondition, "IN_USE", "model main.demo.chat is used by endpoint faq")
		refused(t, err(h.prompt.DeletePrompt(ctx, &registryv1.DeletePromptRequest{FullName: greet})), fault.FailedPrecondition, "IN_USE", "endpoint faq")

		must[*registryv1.UnregisterSecurableResponse](t)(h.access.UnregisterSecurable(serving, &registryv1.UnregisterSecurableRequest{Securable: endpoint("faq")}))
		must[*registryv1.RegisterSecurableResponse](t)(h.access.RegisterSecurable(serving, &registryv1.RegisterSecurableRequest{Securable: endpoint("faq"), Owner: "root"}))
		must[*registryv1.DeleteModelResponse](t)(h.model.DeleteModel(ctx, &registryv1.DeleteModelRequest{FullName: chat}))
		must[*registryv1.DeletePromptResponse](t)(h.prompt.DeletePrompt(ctx, &registryv1.DeletePromptRequest{FullName: greet}))
	})
}
