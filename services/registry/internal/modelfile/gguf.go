package modelfile

import (
	"context"
	"io"
	"strconv"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/gguf"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// inspectGGUF reads the header of every .gguf file. One of them, or the first of the parts into which one was split, must
// be a language model; beside it there may be files that are none, an adapter or a projector. The weights of a split model
// are counted over its parts, and all its parts must be there.
func inspectGGUF(ctx context.Context, files []domain.ArtifactFile, open Open) (map[string]string, error) {
	const op = "registry.modelfile.Inspect"
	var (
		model      *gguf.Model
		modelFile  domain.ArtifactFile
		notOne     error
		parts      int
		parameters uint64
	)
	ggufs := withEnding(files, ".gguf")
	if len(ggufs) == 0 {
		return nil, fault.New(op, fault.FailedPrecondition, "a version of format gguf needs a file that ends in .gguf").WithReason("FILES_MISSING")
	}
	for _, f := range ggufs {
		if err := look(ctx, f, open, func(r io.ReaderAt) error {
			h, err := gguf.Read(r, f.Size)
			if err != nil {
				return err
			}
			if part(h) > 0 {
				parts++
				parameters += h.Parameters()
				return nil
			}
			m, err := h.Model()
			switch {
			case err != nil && fault.Reason(err) == gguf.ReasonUnsupported:
				notOne = named(f, err)
				return nil
			case err != nil:
				return err
			case model != nil:
				return fault.New(op, fault.Invalid, "it is a second model beside %q; a version is one model", modelFile.Path).WithReason("TWO_MODELS")
			}
			model, modelFile = &m, f
			parameters += m.Parameters
			return nil
		}); err != nil {
			return nil, err
		}
	}
	if model == nil {
		if notOne == nil {
			notOne = refuse(ggufs[0], "the first part of the model is missing")
		}
		return nil, notOne
	}
	if parts+1 != model.Shards {
		return nil, refuse(modelFile, "the model is split into %d files, %d are here", model.Shards, parts+1)
	}
	properties := map[string]string{
		"architecture":      model.Architecture,
		"parameters":        strconv.FormatUint(parameters, 10),
		"context_length":    strconv.Itoa(model.ContextLength),
		"quantization":      model.Quantization,
		"embedding_length":  strconv.Itoa(model.Embedding),
		"layers":            strconv.Itoa(model.Layers),
		"vocabulary":        strconv.Itoa(model.Vocabulary),
		"causal":            strconv.FormatBool(model.Causal),
		"has_chat_template": strconv.FormatBool(model.HasChatTemplate()),
		"file":              modelFile.Path,
	}
	if model.Name != "" {
		properties["name"] = model.Name
	}
	return properties, nil
}

// part is the number of a file among the parts of a split model, 0 for the first and for a whole model. Only the first
// carries the model's description.
func part(h *gguf.Header) uint64 {
	n, _ := h.Metadata["split.no"].Uint()
	return n
}
