package sqlstore

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

const selectModelVersion = `select version, status, status_message, format, comment, source, properties, creator, create_time, update_time from model_version `

func scanModelVersion(model domain.Securable) func(scan func(...any) error) (domain.ModelVersion, error) {
	return func(scan func(...any) error) (domain.ModelVersion, error) {
		v := domain.ModelVersion{ModelID: model.ID, Model: model.Ref, Tags: map[string]string{}}
		var created, updated int64
		err := scan(&v.Version, &v.Status, &v.StatusMessage, &v.Format, &v.Comment, &v.Source, fromJSON{&v.Properties}, &v.Creator, &created, &updated)
		v.CreateTime, v.UpdateTime = sqlkit.Time(created), sqlkit.Time(updated)
		return v, err
	}
}

// ModelVersion implements store.Versions.
func (r reader) ModelVersion(ctx context.Context, model domain.Securable, version int64) (domain.ModelVersion, error) {
	const op = "registry.store.ModelVersion"
	v, err := scanModelVersion(model)(r.q.QueryRowContext(ctx, selectModelVersion+`where model_id = $1 and version = $2`, model.ID, version).Scan)
	if err != nil {
		return v, missing(op, err, "version %d of %s not found", version, model.Ref)
	}
	versions := []domain.ModelVersion{v}
	err = r.completeModelVersions(ctx, op, model.ID, versions)
	return versions[0], err
}

// ModelVersions implements store.Versions.
func (r reader) ModelVersions(ctx context.Context, model domain.Securable, before int64, limit int) ([]domain.ModelVersion, error) {
	const op = "registry.store.ModelVersions"
	versions, err := collect(ctx, r.q, op, selectModelVersion+`where model_id = $1 and ($2 = 0 or version < $2) order by version desc limit $3`,
		[]any{model.ID, before, limit}, scanModelVersion(model))
	if err != nil {
		return nil, err
	}
	return versions, r.completeModelVersions(ctx, op, model.ID, versions)
}

// completeModelVersions adds files, tags and aliases to versions that follow each other downwards.
func (r reader) completeModelVersions(ctx context.Context, op, modelID string, versions []domain.ModelVersion) error {
	if len(versions) == 0 {
		return nil
	}
	byVersion := make(map[int64]*domain.ModelVersion, len(versions))
	for i := range versions {
		byVersion[versions[i].Version] = &versions[i]
	}
	from, to := versions[len(versions)-1].Version, versions[0].Version
	if _, err := collect(ctx, r.q, op, `select version, path, size_bytes, sha256 from model_file where model_id = $1 and version between $2 and $3 order by version, path`,
		[]any{modelID, from, to}, func(scan func(...any) error) (f domain.ArtifactFile, err error) {
			var version int64
			err = scan(&version, &f.Path, &f.Size, &f.SHA256)
			if v := byVersion[version]; v != nil {
				v.Files = append(v.Files, f)
			}
			return f, err
		}); err != nil {
		return err
	}
	return r.marks(ctx, op, modelID, from, to, func(version int64, key, value string) {
		if v := byVersion[version]; v != nil {
			v.Tags[key] = value
		}
	}, func(version int64, alias string) {
		if v := byVersion[version]; v != nil {
			v.Aliases = append(v.Aliases, alias)
		}
	})
}

// marks reads the tags and aliases of a run of versions.
func (r reader) marks(ctx context.Context, op, lineID string, from, to int64, tag func(version int64, key, value string), alias func(version int64, alias string)) error {
	if _, err := collect(ctx, r.q, op, `select version, key, value from tag where securable_id = $1 and version between $2 and $3`,
		[]any{lineID, from, to}, func(scan func(...any) error) (struct{}, error) {
			var version int64
			var key, value string
			err := scan(&version, &key, &value)
			tag(version, key, value)
			return struct{}{}, err
		}); err != nil {
		return err
	}
	_, err := collect(ctx, r.q, op, `select version, alias from alias where line_id = $1 and version between $2 and $3 order by alias`,
		[]any{lineID, from, to}, func(scan func(...any) error) (struct{}, error) {
			var version int64
			var name string
			err := scan(&version, &name)
			alias(version, name)
			return struct{}{}, err
		})
	return err
}

// CreateModelVersion implements store.VersionChanges.
func (t *transaction) CreateModelVersion(ctx context.Context, v domain.ModelVersion) error {
	const op = "registry.store.CreateModelVersion"
	if _, err := exec(ctx, t.q, op, `insert into model_version (model_id, version, status, status_message, format, comment, source, properties, creator, create_time, update_time)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		v.ModelID, v.Version, string(v.Status), v.StatusMessage, v.Format, v.Comment, v.Source, asJSON(orEmpty(v.Properties)), v.Creator,
		sqlkit.Micros(v.CreateTime), sqlkit.Micros(v.UpdateTime)); err != nil {
		return err
	}
	return t.SetTags(ctx, v.ModelID, v.Version, v.Tags, nil)
}

// PutFile implements store.VersionChanges.
func (t *transaction) PutFile(ctx context.Context, modelID string, version int64, f domain.ArtifactFile) error {
	const op = "registry.store.PutFile"
	n, err := exec(ctx, t.q, op, `insert into model_file (model_id, version, path, size_bytes, sha256)
		select $1, $2, $3, size_bytes, sha256 from blob where sha256 = $4 and size_bytes = $5 and not condemned
		on conflict (model_id, version, path) do update set size_bytes = excluded.size_bytes, sha256 = excluded.sha256`,
		modelID, version, f.Path, f.SHA256, f.Size)
	switch {
	case fault.Is(err, fault.FailedPrecondition):
		return fault.Wrap(op, fault.FailedPrecondition, err, "the files of this version cannot change any more").WithReason("VERSION_IMMUTABLE")
	case err == nil && n == 0:
		return fault.New(op, fault.FailedPrecondition, "the content of %q is not stored", f.Path).WithReason("CONTENT_NOT_PINNED")
	}
	return err
}

// Finish implements store.VersionChanges.
func (t *transaction) Finish(ctx context.Context, v domain.ModelVersion) error {
	const op = "registry.store.Finish"
	err := one(ctx, t.q, op, `update model_version set status = $3, status_message = $4, properties = $5, update_time = $6 where model_id = $1 and version = $2`,
		v.ModelID, v.Version, string(v.Status), v.StatusMessage, asJSON(orEmpty(v.Properties)), sqlkit.Micros(v.UpdateTime))
	if fault.Is(err, fault.FailedPrecondition) {
		return fault.Wrap(op, fault.FailedPrecondition, err, "the version cannot become %s any more", v.Status).WithReason("VERSION_IMMUTABLE")
	}
	return err
}
