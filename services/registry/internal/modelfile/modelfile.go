// Package modelfile reads what model files say of themselves, before anyone loads them: a damaged file is found when it is
// registered, by its name and with the reason, and not when an endpoint starts at night. It reads headers, never weights,
// and trusts no number in them.
package modelfile

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// Source is an open file.
type Source interface {
	io.ReaderAt
	io.Closer
}

// Open opens a file of the version that is looked at.
type Open func(ctx context.Context, f domain.ArtifactFile) Source

// Inspect looks at the files of a version and returns facts about the model: `architecture`, `parameters`,
// `context_length`, `quantization` and more, depending on the format. It is Invalid, in a text that names the file and the
// reason, when the files are not a model of that format; other kinds are failures of the reading itself.
func Inspect(ctx context.Context, format string, files []domain.ArtifactFile, open Open) (map[string]string, error) {
	switch format {
	case domain.FormatGGUF:
		return inspectGGUF(ctx, files, open)
	case domain.FormatONNX:
		return inspectONNX(ctx, files, open)
	case domain.FormatMLflow:
		return inspectMLflow(ctx, files, open)
	}
	return map[string]string{}, nil
}

// withEnding is the files with an ending, whatever its case.
func withEnding(files []domain.ArtifactFile, ending string) (found []domain.ArtifactFile) {
	for _, f := range files {
		if strings.HasSuffix(strings.ToLower(f.Path), ending) {
			found = append(found, f)
		}
	}
	return found
}

func refuse(f domain.ArtifactFile, format string, args ...any) *fault.Error {
	e := fault.New("registry.modelfile.Inspect", fault.Invalid, format, args...)
	e.Text = "the file \"" + f.Path + "\" is refused: " + e.Text
	return e.WithReason("FILE_DAMAGED")
}

// named adds the file's name to the refusal of a reader that does not know it, and leaves other failures alone.
func named(f domain.ArtifactFile, err error) error {
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind != fault.Invalid {
		return err
	}
	r := *e
	r.Text = "the file \"" + f.Path + "\" is refused: " + e.Text
	return &r
}

// look opens a file for as long as read takes. The empty file is refused before: no format knows one.
func look(ctx context.Context, f domain.ArtifactFile, open Open, read func(r io.ReaderAt) error) error {
	if f.Size == 0 {
		return refuse(f, "it is empty (0 bytes)").WithReason("FILE_EMPTY")
	}
	src := open(ctx, f)
	err := read(src)
	if cerr := src.Close(); err == nil && cerr != nil {
		err = cerr
	}
	return named(f, err)
}
