package flow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"slices"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/artifact"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// DownloadFile opens one file of a version that may be loaded, from an offset. Read from its beginning to its end, the
// bytes are checked against the digest, and DataLoss comes in place of io.EOF when they are not what was stored.
func (m Models) DownloadFile(ctx context.Context, model string, version int64, path string, offset int64) (domain.ArtifactFile, io.ReadCloser, error) {
	const op = "registry.DownloadArtifact"
	none := domain.ArtifactFile{}
	ref, err := domain.ParseRef(domain.TypeModel, model)
	if err != nil {
		return none, nil, err
	}
	if path, err = domain.CleanPath(path); err != nil {
		return none, nil, err
	}
	s, err := require(ctx, m.Store, op, ref, domain.Execute)
	if err != nil {
		return none, nil, err
	}
	v, err := m.Store.ModelVersion(ctx, s, version)
	if err != nil {
		return none, nil, err
	}
	if err := v.RequireLoadable(op); err != nil {
		return none, nil, err
	}
	i := slices.IndexFunc(v.Files, func(f domain.ArtifactFile) bool { return f.Path == path })
	if i < 0 {
		return none, nil, fault.New(op, fault.NotFound, "version %d of %s has no file %q", version, ref, path)
	}
	f := v.Files[i]
	if offset < 0 || offset > f.Size {
		return none, nil, fault.New(op, fault.Invalid, "the offset %d is outside the %d bytes of %q", offset, f.Size, path).WithReason("OFFSET_INVALID")
	}
	r, err := m.Blobs.Read(ctx, artifact.Content{SHA256: f.SHA256, Size: f.Size}, offset)
	if err != nil {
		return none, nil, err
	}
	if offset > 0 {
		return f, r, nil
	}
	return f, &verified{ReadCloser: r, file: f, hash: sha256.New()}, nil
}

// verified hashes what is read.
type verified struct {
	io.ReadCloser
	file domain.ArtifactFile
	hash hash.Hash
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	_, _ = v.hash.Write(p[:n]) // a hash never fails
	if errors.Is(err, io.EOF) && hex.EncodeToString(v.hash.Sum(nil)) != v.file.SHA256 {
		return n, fault.New("registry.DownloadArtifact", fault.DataLoss, "the stored bytes of %q are not the ones that were uploaded", v.file.Path).WithReason("CONTENT_DAMAGED")
	}
	return n, err
}
