package sqlstore

import (
	"context"
	"database/sql"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

const selectPromptVersion = `select version, template, messages, syntax, variables, parameters, comment, digest, creator, create_time from prompt_version `

func scanPromptVersion(prompt domain.Securable) func(scan func(...any) error) (domain.PromptVersion, error) {
	return func(scan func(...any) error) (domain.PromptVersion, error) {
		v := domain.PromptVersion{PromptID: prompt.ID, Prompt: prompt.Ref}
		v.Tags = map[string]string{}
		var template sql.NullString
		var created int64
		err := scan(&v.Version, &template, fromJSON{&v.Messages}, &v.Syntax, fromJSON{&v.Variables}, fromJSON{&v.Parameters}, &v.Comment, &v.Digest, &v.Creator, &created)
		v.Template, v.CreateTime = template.String, sqlkit.Time(created)
		return v, err
	}
}

// PromptVersion implements store.Versions.
func (r reader) PromptVersion(ctx context.Context, prompt domain.Securable, version int64) (domain.PromptVersion, error) {
	const op = "registry.store.PromptVersion"
	v, err := scanPromptVersion(prompt)(r.q.QueryRowContext(ctx, selectPromptVersion+`where prompt_id = $1 and version = $2`, prompt.ID, version).Scan)
	if err != nil {
		return v, missing(op, err, "version %d of %s not found", version, prompt.Ref)
	}
	versions := []domain.PromptVersion{v}
	err = r.completePromptVersions(ctx, op, prompt.ID, versions)
	return versions[0], err
}

// PromptVersions implements store.Versions.
func (r reader) PromptVersions(ctx context.Context, prompt domain.Securable, before int64, limit int) ([]domain.PromptVersion, error) {
	const op = "registry.store.PromptVersions"
	versions, err := collect(ctx, r.q, op, selectPromptVersion+`where prompt_id = $1 and ($2 = 0 or version < $2) order by version desc limit $3`,
		[]any{prompt.ID, before, limit}, scanPromptVersion(prompt))
	if err != nil {
		return nil, err
	}
	return versions, r.completePromptVersions(ctx, op, prompt.ID, versions)
}

func (r reader) completePromptVersions(ctx context.Context, op, promptID string, versions []domain.PromptVersion) error {
	if len(versions) == 0 {
		return nil
	}
	byVersion := make(map[int64]*domain.PromptVersion, len(versions))
	for i := range versions {
		byVersion[versions[i].Version] = &versions[i]
	}
	return r.marks(ctx, op, promptID, versions[len(versions)-1].Version, versions[0].Version, func(version int64, key, value string) {
		if v := byVersion[version]; v != nil {
			v.Tags[key] = value
		}
	}, func(version int64, alias string) {
		if v := byVersion[version]; v != nil {
			v.Aliases = append(v.Aliases, alias)
		}
	})
}

// CreatePromptVersion implements store.VersionChanges.
func (t *transaction) CreatePromptVersion(ctx context.Context, v domain.PromptVersion) error {
	isText := len(v.Messages) == 0
	variables := v.Variables
	if variables == nil {
		variables = []string{}
	}
	if _, err := exec(ctx, t.q, "registry.store.CreatePromptVersion", `insert into prompt_version (prompt_id, version, template, messages, syntax, variables, parameters, comment, digest, creator, create_time)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		v.PromptID, v.Version, nullable(v.Template, !isText), nullable(asJSON(v.Messages), isText), string(v.Syntax), asJSON(variables),
		asJSON(orEmpty(v.Parameters)), v.Comment, v.Digest, v.Creator, sqlkit.Micros(v.CreateTime)); err != nil {
		return err
	}
	return t.SetTags(ctx, v.PromptID, v.Version, v.Tags, nil)
}
