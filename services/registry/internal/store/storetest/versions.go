package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// newVersion opens a version of a model with two files.
func newVersion(t testing.TB, s store.Store, m domain.Securable) domain.ModelVersion {
	t.Helper()
	v := domain.ModelVersion{
		ModelID: m.ID, Model: m.Ref, Status: domain.Pending, Format: domain.FormatGGUF, Comment: "c", Source: "run:/7", Creator: "ada",
		Tags: map[string]string{"k": "v"}, CreateTime: now, UpdateTime: now,
	}
	update(t, s, func(ctx context.Context, tx store.Tx) (err error) {
		if v.Version, err = tx.NextVersion(ctx, m.ID, now); err != nil {
			return err
		}
		if err := tx.CreateModelVersion(ctx, v); err != nil {
			return err
		}
		v.Files = []domain.ArtifactFile{{Path: "Z.gguf", Size: 5, SHA256: digest(5)}, {Path: "a/b.txt", Size: 6, SHA256: digest(6)}}
		for _, f := range v.Files {
			if err := tx.Pin(ctx, f.SHA256, f.Size, now); err != nil {
				return err
			}
			if err := tx.PutFile(ctx, m.ID, v.Version, f); err != nil {
				return err
			}
		}
		return nil
	})
	return v
}

func finish(t testing.TB, s store.Store, v domain.ModelVersion, to domain.Status) error {
	t.Helper()
	return s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		v.Status = to
		return tx.Finish(ctx, v)
	})
}

func modelVersions(t *testing.T, db Database) {
	s := db.Open(t)
	m := plant(t, s, domain.TypeModel, "main.demo.m")
	v := newVersion(t, s, m)
	v.CreateTime, v.UpdateTime, v.Properties = micro(now), micro(now), map[string]string{}
	got, err := s.ModelVersion(t.Context(), m, 1)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(v, got))

	// A file that is uploaded again replaces the one at its path.
	replaced := domain.ArtifactFile{Path: "Z.gguf", Size: 7, SHA256: digest(7)}
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		if err := tx.Pin(ctx, replaced.SHA256, replaced.Size, now); err != nil {
			return err
		}
		return tx.PutFile(ctx, m.ID, 1, replaced)
	})
	v.Files[0] = replaced
	v.Properties, v.UpdateTime = map[string]string{"architecture": "llama"}, micro(now.AddDate(0, 0, 1))
	require.NoError(t, finish(t, s, v, domain.Ready))
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		if _, err := tx.SetAlias(ctx, m.ID, "prod", 1, now); err != nil {
			return err
		}
		_, err := tx.SetAlias(ctx, m.ID, "Beta", 1, now)
		return err
	})
	v.Status, v.Aliases = domain.Ready, []string{"Beta", "prod"}
	got, err = s.ModelVersion(t.Context(), m, 1)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(v, got))
}

func versionPages(t *testing.T, db Database) {
	s := db.Open(t)
	m, p := plant(t, s, domain.TypeModel, "main.demo.m"), plant(t, s, domain.TypePrompt, "main.demo.p")
	for i := range 7 {
		newVersion(t, s, m)
		newPromptVersion(t, s, p, domain.PromptDraft{Template: fmt.Sprint("text ", i)})
	}
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		_, err := tx.SetAlias(ctx, m.ID, "old", 2, now)
		return err
	})
	var models, prompts []int64
	for before := int64(0); ; {
		page, err := s.ModelVersions(t.Context(), m, before, 3)
		require.NoError(t, err)
		for _, v := range page {
			models = append(models, v.Version)
			require.Len(t, v.Files, 2)
			require.Equal(t, v.Version == 2, len(v.Aliases) == 1)
		}
		same, err := s.PromptVersions(t.Context(), p, before, 3)
		require.NoError(t, err)
		for _, v := range same {
			prompts = append(prompts, v.Version)
		}
		if len(page) == 0 {
			break
		}
		before = models[len(models)-1]
		if before == 5 { // a version that comes between two pages is on neither
			newVersion(t, s, m)
		}
	}
	require.Equal(t, []int64{7, 6, 5, 4, 3, 2, 1}, models)
	require.Equal(t, models, prompts)
}

func immutableModelVersion(t *testing.T, db Database) {
	s := db.Open(t)
	m := plant(t, s, domain.TypeModel, "main.demo.m")
	for _, end := range []domain.Status{domain.Ready, domain.Failed} {
		v := newVersion(t, s, m)
		v.StatusMessage = "why"
		require.NoError(t, finish(t, s, v, end))
		before, err := s.ModelVersion(t.Context(), m, v.Version)
		require.NoError(t, err)

		err = s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
			return tx.PutFile(ctx, m.ID, v.Version, domain.ArtifactFile{Path: "new", Size: 5, SHA256: digest(5)})
		})
		requireKind(t, fault.FailedPrecondition, err)
		err = s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
			return tx.PutFile(ctx, m.ID, v.Version, domain.ArtifactFile{Path: "Z.gguf", Size: 6, SHA256: digest(6)})
		})
		requireKind(t, fault.FailedPrecondition, err)
		for _, to := range []domain.Status{domain.Pending, domain.Ready, domain.Failed} {
			if to != end {
				requireKind(t, fault.FailedPrecondition, finish(t, s, v, to))
			}
		}
		changed := v
		changed.Properties = map[string]string{"architecture": "another"}
		requireKind(t, fault.FailedPrecondition, finish(t, s, changed, end))

		after, err := s.ModelVersion(t.Context(), m, v.Version)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(before, after))

		// Tags and the time of their change are no facts of the version.
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			if err := tx.SetTags(ctx, m.ID, v.Version, map[string]string{"new": "tag"}, nil); err != nil {
				return err
			}
			return tx.TouchModelVersion(ctx, m.ID, v.Version, now.AddDate(1, 0, 0))
		})
	}
	ready, err := s.ModelVersion(t.Context(), m, 1)
	require.NoError(t, err)
	require.NoError(t, finish(t, s, ready, domain.Archived))
	requireKind(t, fault.FailedPrecondition, finish(t, s, ready, domain.Ready))
}

func immutableByHand(t *testing.T, db Database) {
	s := db.Open(t)
	m, p := plant(t, s, domain.TypeModel, "main.demo.m"), plant(t, s, domain.TypePrompt, "main.demo.p")
	v := newVersion(t, s, m)
	require.NoError(t, finish(t, s, v, domain.Ready))
	newPromptVersion(t, s, p, domain.PromptDraft{Template: "hello"})
	raw := db.Raw(t)
	for _, statement := range []string{
		`update model_version set status = 'PENDING_UPLOAD'`,
		`update model_version set properties = '{"a":"b"}'`,
		`update model_version set format = 'onnx'`,
		`update model_version set version = 9`,
		`update model_version set comment = 'x'`,
		`delete from model_version`,
		`update model_file set sha256 = '` + digest(6) + `' where path = 'Z.gguf'`,
		`update model_file set path = 'elsewhere' where path = 'Z.gguf'`,
		`delete from model_file`,
		`insert into model_file (model_id, version, path, size_bytes, sha256) select model_id, version, 'more', size_bytes, sha256 from model_file where path = 'Z.gguf'`,
		`update prompt_version set template = 'bye'`,
		`update prompt_version set version = 9`,
		`delete from prompt_version`,
	} {
		_, err := raw.ExecContext(t.Context(), statement)
		require.Error(t, err, statement)
	}
	got, err := s.ModelVersion(t.Context(), m, 1)
	require.NoError(t, err)
	require.Len(t, got.Files, 2)
}

func lineGoesWhole(t *testing.T, db Database) {
	s := db.Open(t)
	m, p := plant(t, s, domain.TypeModel, "main.demo.m"), plant(t, s, domain.TypePrompt, "main.demo.p")
	require.NoError(t, finish(t, s, newVersion(t, s, m), domain.Ready))
	newPromptVersion(t, s, p, domain.PromptDraft{Template: "hello", Tags: map[string]string{"k": "v"}})
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		if _, err := tx.AddGrant(ctx, domain.Grant{SecurableID: m.ID, Principal: "eve", Privilege: domain.Execute, Grantor: "ada", CreateTime: now}); err != nil {
			return err
		}
		_, err := tx.SetAlias(ctx, m.ID, "prod", 1, now)
		return err
	})
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		if err := tx.Delete(ctx, m.ID); err != nil {
			return err
		}
		return tx.Delete(ctx, p.ID)
	})
	for _, table := range []string{"model_version", "model_file", "prompt_version", "alias", "tag", "grants"} {
		var n int
		require.NoError(t, db.Raw(t).QueryRowContext(t.Context(), `select count(*) from `+table).Scan(&n))
		require.Zero(t, n, table)
	}
	again := plant(t, s, domain.TypeModel, "main.demo.m")
	require.Zero(t, again.LatestVersion)
}

func newPromptVersion(t testing.TB, s store.Store, p domain.Securable, d domain.PromptDraft) domain.PromptVersion {
	t.Helper()
	v, err := domain.NewPromptVersion(d)
	require.NoError(t, err)
	v.PromptID, v.Prompt, v.Creator, v.CreateTime = p.ID, p.Ref, "ada", micro(now)
	update(t, s, func(ctx context.Context, tx store.Tx) (err error) {
		if v.Version, err = tx.NextVersion(ctx, p.ID, now); err != nil {
			return err
		}
		return tx.CreatePromptVersion(ctx, v)
	})
	return v
}

func promptVersions(t *testing.T, db Database) {
	s := db.Open(t)
	p := plant(t, s, domain.TypePrompt, "main.demo.p")
	for i, d := range []domain.PromptDraft{
		{Template: "Grüße {{name}}, \"quoted\"\n\\ 日本 {{b}} {{a}}", Comment: "c", Tags: map[string]string{"k": "", "ü": "v"}, Parameters: map[string]string{"temperature": "0.70", "stop": `["\n","<a>"]`}},
		{Messages: []domain.Message{{Role: "system", Content: "{{x}}"}, {Role: "user", Content: "</s>&"}}, Tags: map[string]string{}},
		{Template: "no variables", Tags: map[string]string{}},
	} {
		want := newPromptVersion(t, s, p, d)
		require.EqualValues(t, i+1, want.Version)
		if want.Variables == nil {
			want.Variables = []string{}
		}
		got, err := s.PromptVersion(t.Context(), p, want.Version)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got))
	}
}

func emptyTexts(t *testing.T, db Database) {
	s := db.Open(t)
	m := plant(t, s, domain.TypeModel, "main.demo.m")
	got, _ := find(t, s, m.Ref)
	require.Empty(t, got.Comment)
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		n, err := tx.NextVersion(ctx, m.ID, now)
		if err != nil {
			return err
		}
		if err := tx.SetTags(ctx, m.ID, 0, map[string]string{"k": ""}, nil); err != nil {
			return err
		}
		return tx.CreateModelVersion(ctx, domain.ModelVersion{ModelID: m.ID, Version: n, Status: domain.Pending, Format: "custom", CreateTime: now, UpdateTime: now})
	})
	v, err := s.ModelVersion(t.Context(), m, 1)
	require.NoError(t, err)
	require.NotNil(t, v.Properties)
	require.NotNil(t, v.Tags)
	require.Empty(t, v.Source+v.Comment+v.StatusMessage)
	l, err := s.Lines(t.Context(), []domain.Securable{m})
	require.NoError(t, err)
	value, ok := l[0].Tags["k"]
	require.True(t, ok && value == "", "a tag with an empty value is a tag")

	var nulls int
	require.NoError(t, db.Raw(t).QueryRowContext(t.Context(), `select count(*) from model_version where comment is null or source is null`).Scan(&nulls))
	require.Zero(t, nulls)
	p := plant(t, s, domain.TypePrompt, "main.demo.p")
	newPromptVersion(t, s, p, domain.PromptDraft{Template: "t"})
	newPromptVersion(t, s, p, domain.PromptDraft{Messages: []domain.Message{{Role: "user", Content: "t"}}})
	require.NoError(t, db.Raw(t).QueryRowContext(t.Context(), `select count(*) from prompt_version where template is null`).Scan(&nulls))
	require.Equal(t, 1, nulls, "a version of messages has no template, which is not an empty one")
}

func aliases(t *testing.T, db Database) {
	s := db.Open(t)
	m := plant(t, s, domain.TypeModel, "main.demo.m")
	set := func(alias string, version int64) (previous int64) {
		update(t, s, func(ctx context.Context, tx store.Tx) (err error) {
			previous, err = tx.SetAlias(ctx, m.ID, alias, version, now)
			return err
		})
		return previous
	}
	require.EqualValues(t, 0, set("prod", 1))
	require.EqualValues(t, 1, set("prod", 2))
	require.EqualValues(t, 0, set("Prod", 3), "case tells aliases apart")
	v, err := s.Alias(t.Context(), m, "prod")
	require.NoError(t, err)
	require.EqualValues(t, 2, v)
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		previous, err := tx.DeleteAlias(ctx, m.ID, "prod", now)
		require.EqualValues(t, 2, previous)
		return err
	})
	_, err = s.Alias(t.Context(), m, "prod")
	requireKind(t, fault.NotFound, err)
}

func missing(t *testing.T, db Database) {
	s := db.Open(t)
	m := plant(t, s, domain.TypeModel, "main.demo.m")
	_, err := s.ModelVersion(t.Context(), m, 1)
	requireKind(t, fault.NotFound, err)
	require.Equal(t, "version 1 of model main.demo.m not found", fault.Text(err))
	_, err = s.PromptVersion(t.Context(), m, 1)
	requireKind(t, fault.NotFound, err)
	_, err = s.Alias(t.Context(), m, "prod")
	requireKind(t, fault.NotFound, err)
	for _, change := range []func(ctx context.Context, tx store.Tx) error{
		func(ctx context.Context, tx store.Tx) error { _, err := tx.NextVersion(ctx, "nobody", now); return err },
		func(ctx context.Context, tx store.Tx) error {
			_, err := tx.DeleteAlias(ctx, m.ID, "prod", now)
			return err
		},
		func(ctx context.Context, tx store.Tx) error { return tx.TouchModelVersion(ctx, m.ID, 1, now) },
		func(ctx context.Context, tx store.Tx) error {
			return tx.Finish(ctx, domain.ModelVersion{ModelID: m.ID, Version: 1, Status: domain.Ready})
		},
	} {
		requireKind(t, fault.NotFound, s.Update(t.Context(), change))
	}
}
