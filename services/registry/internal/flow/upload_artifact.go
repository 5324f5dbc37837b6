package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/artifact"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// Upload is the announcement of a file.
type Upload struct {
	Model     string
	Version   int64
	File      domain.ArtifactFile // an empty SHA256 is computed
	SizeKnown bool                // File.Size is to be checked; a size above 0 always is
}

// UploadFile stores one file of a version that is PENDING_UPLOAD, from the chunks that next returns until io.EOF. A file
// uploaded to the same path again replaces the first. Nothing is stored, and nothing left behind, when the bytes are not
// as announced or do not come to their end.
func (m Models) UploadFile(ctx context.Context, u Upload, next func() ([]byte, error)) (domain.ArtifactFile, error) {
	const op = "registry.UploadArtifact"
	model, err := domain.ParseRef(domain.TypeModel, u.Model)
	if err != nil {
		return domain.ArtifactFile{}, err
	}
	files, err := cleanFiles([]domain.ArtifactFile{u.File})
	if err != nil {
		return domain.ArtifactFile{}, err
	}
	file := files[0]
	v, err := pendingVersion(ctx, m.Store, op, model, u.Version)
	if err != nil {
		return domain.ArtifactFile{}, err
	}
	want, err := m.wanted(op, v, file, u.SizeKnown)
	if err != nil {
		return domain.ArtifactFile{}, err
	}
	got, err := m.Blobs.Put(ctx, want, m.MaxFile, next)
	if err != nil {
		return domain.ArtifactFile{}, err
	}
	file.SHA256, file.Size = got.SHA256, got.Size
	return file, m.keep(ctx, op, v, file)
}

// wanted refuses before the first byte what is known to be wrong by then.
func (m Models) wanted(op string, v domain.ModelVersion, f domain.ArtifactFile, sizeKnown bool) (artifact.Content, error) {
	switch {
	case f.Size < 0:
		return artifact.Content{}, fault.New(op, fault.Invalid, "the size of %q is negative", f.Path).WithReason("SIZE_INVALID")
	case f.Size > m.MaxFile:
		return artifact.Content{}, fault.New(op, fault.TooLarge, "the file %q has %d bytes, at most %d", f.Path, f.Size, m.MaxFile).WithReason("FILE_TOO_LARGE")
	case f.Size == 0 && sizeKnown && domain.RefusesEmpty(v.Format):
		return artifact.Content{}, fault.New(op, fault.Invalid, "the file %q is empty (0 bytes), which no %s file is", f.Path, v.Format).WithReason("FILE_EMPTY")
	case len(v.Files) >= domain.MaxFiles:
		return artifact.Content{}, fault.New(op, fault.FailedPrecondition, "a version may have at most %d files", domain.MaxFiles).WithReason("TOO_MANY_FILES")
	}
	if f.Size == 0 && !sizeKnown {
		f.Size = -1
	}
	return artifact.Content{SHA256: f.SHA256, Size: f.Size}, nil
}

// keep makes a stored content a file of the version. Between pinning the content and referring to it we look whether it is
// really there: the sweeper may have condemned, deleted and forgotten an old copy of it while ours was arriving. Once
// pinned it is safe from that.
func (m Models) keep(ctx context.Context, op string, v domain.ModelVersion, f domain.ArtifactFile) error {
	if err := m.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		return tx.Pin(ctx, f.SHA256, f.Size, m.now())
	}); err != nil {
		return err
	}
	ok, err := m.Blobs.Exists(ctx, f.SHA256)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(op, fault.Aborted, "the same content was being removed; upload %q again", f.Path).WithReason("CONTENT_CONDEMNED")
	}
	return m.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		now, err := pendingVersion(ctx, tx, op, v.Model, v.Version)
		if err != nil { // much may have happened since the first byte
			return err
		}
		if now.ModelID != v.ModelID {
			return fault.New(op, fault.Aborted, "%s was deleted and made again; upload %q again", v.Model, f.Path).WithReason("MODEL_REPLACED")
		}
		return tx.PutFile(ctx, now.ModelID, now.Version, f)
	})
}
