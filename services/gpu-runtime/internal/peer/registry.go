// Package peer is what this service asks of others, in its own words.
package peer

import (
	"context"
	"io"
	"path"
	"strings"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

// Artifact is one file of a registered model version. A version that is READY never changes, so neither does this.
type Artifact struct {
	Model   string
	Version int64
	Path    string
	Size    int64  // bytes
	SHA256  string // lower-case hex
}

// Registry reads the catalog over gRPC. Callers put the principal into the context.
type Registry struct {
	models    registryv1.ModelServiceClient
	artifacts registryv1.ArtifactServiceClient
}

// NewRegistry speaks over an open connection, which stays the caller's.
func NewRegistry(conn grpc.ClientConnInterface) *Registry {
	return &Registry{models: registryv1.NewModelServiceClient(conn), artifacts: registryv1.NewArtifactServiceClient(conn)}
}

// Find returns the file at name inside a version, or the version's only GGUF file when name is empty. Only a READY version
// may be loaded.
func (r *Registry) Find(ctx context.Context, model string, version int64, name string) (Artifact, error) {
	resp, err := r.models.GetModelVersion(ctx, &registryv1.GetModelVersionRequest{Model: model, Version: version})
	if err != nil {
		return Artifact{}, err
	}
	return choose(resp.GetModelVersion(), model, version, name)
}

func choose(v *registryv1.ModelVersion, model string, version int64, name string) (Artifact, error) {
	const op = "peer.Registry"
	if v.GetStatus() != registryv1.ModelVersionStatus_MODEL_VERSION_STATUS_READY {
		status := strings.TrimPrefix(v.GetStatus().String(), "MODEL_VERSION_STATUS_")
		return Artifact{}, fault.New(op, fault.FailedPrecondition, "version %d of %s is %s; only a READY version can be loaded", version, model, status)
	}
	var found []*registryv1.ArtifactFile
	for _, f := range v.GetFiles() {
		if f.GetPath() == name || name == "" && strings.EqualFold(path.Ext(f.GetPath()), ".gguf") {
			found = append(found, f)
		}
	}
	switch {
	case len(found) == 0 && name != "":
		return Artifact{}, fault.New(op, fault.NotFound, "version %d of %s has no file %q", version, model, name)
	case len(found) == 0:
		return Artifact{}, fault.New(op, fault.FailedPrecondition, "version %d of %s has no GGUF file; this node loads no other format", version, model)
	case len(found) > 1:
		return Artifact{}, fault.New(op, fault.FailedPrecondition, "version %d of %s has %d GGUF files; say which by its path", version, model, len(found))
	}
	return Artifact{Model: model, Version: version, Path: found[0].GetPath(), Size: found[0].GetSizeBytes(), SHA256: found[0].GetSha256()}, nil
}

// Download writes the artifact's bytes from offset on. It refuses a stream that announces another file.
func (r *Registry) Download(ctx context.Context, a Artifact, offset int64, w io.Writer) error {
	const op = "peer.Download"
	ctx, cancel := context.WithCancel(ctx) // ends the stream when the writer fails
	defer cancel()
	stream, err := r.artifacts.DownloadArtifact(ctx, &registryv1.DownloadArtifactRequest{Model: a.Model, Version: a.Version, Path: a.Path, Offset: offset})
	if err != nil {
		return err
	}
	described := false
	for {
		resp, err := stream.Recv()
		switch {
		case err == io.EOF: //nolint:errorlint // gRPC returns it bare
			return nil
		case err != nil:
			return err
		}
		if f := resp.GetFile(); f != nil {
			if f.GetSha256() != a.SHA256 || f.GetSizeBytes() != a.Size {
				return fault.New(op, fault.DataLoss, "the registry sends another file than it announced").WithReason("ARTIFACT_DAMAGED")
			}
			described = true
			continue
		}
		if !described {
			return fault.New(op, fault.DataLoss, "the registry sends bytes of a file it has not described").WithReason("ARTIFACT_DAMAGED")
		}
		if _, err := w.Write(resp.GetChunk()); err != nil {
			return err
		}
	}
}
