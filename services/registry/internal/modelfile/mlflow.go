package modelfile

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// maxMLmodel is the longest description of an MLflow model that is read, in bytes.
const maxMLmodel = 1 << 20

// inspectMLflow reads the file MLmodel, which every MLflow model has at its root.
func inspectMLflow(ctx context.Context, files []domain.ArtifactFile, open Open) (map[string]string, error) {
	i := slices.IndexFunc(files, func(f domain.ArtifactFile) bool { return f.Path == "MLmodel" })
	if i < 0 {
		return nil, fault.New("registry.modelfile.Inspect", fault.FailedPrecondition, "a version of format mlflow needs the file MLmodel").WithReason("FILES_MISSING")
	}
	f := files[i]
	properties := map[string]string{}
	err := look(ctx, f, open, func(r io.ReaderAt) error {
		if f.Size > maxMLmodel {
			return refuse(f, "it has %d bytes, at most %d are read", f.Size, maxMLmodel)
		}
		text, err := io.ReadAll(io.NewSectionReader(r, 0, f.Size))
		if err != nil {
			return err
		}
		var m struct {
			Flavors map[string]yaml.Node `yaml:"flavors"`
			Version string               `yaml:"mlflow_version"`
			UUID    string               `yaml:"model_uuid"`
		}
		if err := yaml.Unmarshal(text, &m); err != nil {
			return refuse(f, "it is no YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		}
		if len(m.Flavors) == 0 {
			return refuse(f, "it names no flavors")
		}
		properties["flavors"] = strings.Join(slices.Sorted(maps.Keys(m.Flavors)), ",")
		for key, value := range map[string]string{"mlflow_version": m.Version, "model_uuid": m.UUID} {
			if value != "" {
				properties[key] = value
			}
		}
		return nil
	})
	return properties, err
}
