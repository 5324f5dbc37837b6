package flow

import (
	"context"
	"slices"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/artifact"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/modelfile"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// FinalizeVersion checks the uploaded files and makes the version READY. What can still be mended (a file that has not
// been uploaded, or not the one that was expected) leaves the version PENDING_UPLOAD. Files that are no model of its
// format make it FAILED for good, and the caller is told which file, and why.
//
// The files are read outside the transaction that ends the version: a header may lie far away. That transaction looks
// again whether they are still the same.
func (m Models) FinalizeVersion(ctx context.Context, model string, version int64, expected []domain.ArtifactFile) (domain.ModelVersion, error) {
	const op = "registry.FinalizeModelVersion"
	ref, err := domain.ParseRef(domain.TypeModel, model)
	if err != nil {
		return domain.ModelVersion{}, err
	}
	if expected, err = cleanFiles(expected); err != nil {
		return domain.ModelVersion{}, err
	}
	v, err := pendingVersion(ctx, m.Store, op, ref, version)
	if err != nil {
		return domain.ModelVersion{}, err
	}
	if err := domain.CheckFiles(op, v.Files, expected); err != nil {
		return domain.ModelVersion{}, err
	}
	properties, damage := modelfile.Inspect(ctx, v.Format, v.Files, func(ctx context.Context, f domain.ArtifactFile) modelfile.Source {
		return m.Blobs.At(ctx, artifact.Content{SHA256: f.SHA256, Size: f.Size})
	})
	if damage != nil && !fault.Is(damage, fault.Invalid) {
		return domain.ModelVersion{}, damage
	}
	end := v
	end.Status, end.Properties = domain.Ready, properties
	if damage != nil {
		end.Status, end.StatusMessage, end.Properties = domain.Failed, fault.Text(damage), map[string]string{}
	}
	if end, err = m.finish(ctx, op, v, end); err != nil {
		return domain.ModelVersion{}, err
	}
	return end, damage
}

// finish ends a version if it is still as it was when its files were looked at.
func (m Models) finish(ctx context.Context, op string, before, end domain.ModelVersion) (domain.ModelVersion, error) {
	err := m.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		v, err := pendingVersion(ctx, tx, op, before.Model, before.Version)
		if err != nil {
			return err
		}
		if v.ModelID != before.ModelID || !slices.Equal(v.Files, before.Files) {
			return fault.New(op, fault.Aborted, "files of version %d of %s changed while they were being checked", v.Version, v.Model).WithReason("FILES_CHANGED")
		}
		end.Tags, end.UpdateTime = v.Tags, m.now()
		if err := tx.Finish(ctx, end); err != nil {
			return err
		}
		kind := domain.ModelVersionReady
		if end.Status == domain.Failed {
			kind = domain.Updated
		}
		tx.Emit(m.versionEvent(ctx, kind, end))
		return nil
	})
	return end, err
}

// pendingVersion is a version that the caller may write to and that can still be written to.
func pendingVersion(ctx context.Context, r store.Reader, op string, model domain.Ref, version int64) (domain.ModelVersion, error) {
	s, err := require(ctx, r, op, model, domain.Manage, domain.CreateModelVersion)
	if err != nil {
		return domain.ModelVersion{}, err
	}
	v, err := r.ModelVersion(ctx, s, version)
	if err != nil {
		return domain.ModelVersion{}, err
	}
	return v, v.RequirePending(op)
}

func cleanFiles(files []domain.ArtifactFile) (out []domain.ArtifactFile, err error) {
	for _, f := range files {
		if f.Path, err = domain.CleanPath(f.Path); err != nil {
			return nil, err
		}
		if f.SHA256, err = domain.ParseSHA256(f.SHA256); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}
