package modelfile_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/modelfile"
)

// folder is files by path.
type folder map[string][]byte

type source struct{ io.ReaderAt }

func (source) Close() error { return nil }

func (f folder) inspect(t *testing.T, format string) (map[string]string, error) {
	var files []domain.ArtifactFile
	for path, content := range f {
		files = append(files, domain.ArtifactFile{Path: path, Size: int64(len(content))})
	}
	return modelfile.Inspect(t.Context(), format, files, func(_ context.Context, a domain.ArtifactFile) modelfile.Source {
		return source{bytes.NewReader(f[a.Path])}
	})
}

func tiny(t *testing.T) []byte {
	b, err := os.ReadFile("../../../../models/tiny-q8_0.gguf")
	require.NoError(t, err)
	return b
}

func TestAGGUFFileTellsWhatItIs(t *testing.T) {
	t.Parallel()
	got, err := folder{"weights/tiny.GGUF": tiny(t), "README.md": nil}.inspect(t, "gguf")
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"architecture": "llama", "parameters": "853120", "context_length": "512", "quantization": "Q8_0", "vocabulary": "512", "causal": "true",
		"has_chat_template": "true", "file": "weights/tiny.GGUF", "name": got["name"], "layers": got["layers"], "embedding_length": got["embedding_length"],
	}, got)
	require.NotEmpty(t, got["layers"])
}

func TestADamagedFileIsRefusedByNameWithTheReason(t *testing.T) {
	t.Parallel()
	model := tiny(t)
	flip := func(at int) []byte {
		b := bytes.Clone(model)
		b[at] ^= 0xff
		return b
	}
	for name, c := range map[string]struct {
		format string
		files  folder
		kind   fault.Kind
		says   []string
	}{
		"an empty gguf":             {"gguf", folder{"a.gguf": {}}, fault.Invalid, []string{`"a.gguf"`, "empty (0 bytes)"}},
		"no gguf at all":            {"gguf", folder{"a.gguf": []byte("this is text, not a model")}, fault.Invalid, []string{`"a.gguf"`, "does not begin with GGUF"}},
		"a gguf cut short":          {"gguf", folder{"a.gguf": model[:len(model)/2]}, fault.Invalid, []string{`"a.gguf"`, "cut short"}},
		"a gguf cut in the header":  {"gguf", folder{"a.gguf": model[:100]}, fault.Invalid, []string{`"a.gguf"`, "damaged GGUF file"}},
		"a damaged header":          {"gguf", folder{"a.gguf": flip(9)}, fault.Invalid, []string{`"a.gguf"`, "damaged GGUF file"}},
		"one good and one damaged":  {"gguf", folder{"a.gguf": model, "b.gguf": model[:100]}, fault.Invalid, []string{`"b.gguf"`}},
		"two models":                {"gguf", folder{"a.gguf": model, "b.gguf": model}, fault.Invalid, []string{"second model"}},
		"no gguf file":              {"gguf", folder{"a.bin": model}, fault.FailedPrecondition, []string{"needs a file that ends in .gguf"}},
		"an empty onnx":             {"onnx", folder{"a.onnx": {}}, fault.Invalid, []string{`"a.onnx"`, "empty (0 bytes)"}},
		"no onnx at all":            {"onnx", folder{"a.onnx": []byte("this is text, not a model")}, fault.Invalid, []string{`"a.onnx"`}},
		"an onnx cut short":         {"onnx", folder{"a.onnx": onnx()[:20]}, fault.Invalid, []string{`"a.onnx"`, "cut short"}},
		"an onnx without a graph":   {"onnx", folder{"a.onnx": onnx()[:11]}, fault.Invalid, []string{`"a.onnx"`, "no graph"}},
		"an onnx of endless digits": {"onnx", folder{"a.onnx": bytes.Repeat([]byte{0xff}, 64)}, fault.Invalid, []string{`"a.onnx"`}},
		"no onnx file":              {"onnx", folder{"a.bin": onnx()}, fault.FailedPrecondition, []string{"needs a file that ends in .onnx"}},
		"no MLmodel":                {"mlflow", folder{"x/MLmodel": []byte("flavors: {a: {}}")}, fault.FailedPrecondition, []string{"needs the file MLmodel"}},
		"an empty MLmodel":          {"mlflow", folder{"MLmodel": {}}, fault.Invalid, []string{`"MLmodel"`, "empty"}},
		"an MLmodel of tabs":        {"mlflow", folder{"MLmodel": []byte("flavors:\n\t- x")}, fault.Invalid, []string{`"MLmodel"`, "no YAML"}},
		"an MLmodel of no flavors":  {"mlflow", folder{"MLmodel": []byte("run_id: 7")}, fault.Invalid, []string{`"MLmodel"`, "no flavors"}},
		"an MLmodel of a megabyte":  {"mlflow", folder{"MLmodel": bytes.Repeat([]byte("#"), 1<<20+1)}, fault.Invalid, []string{`"MLmodel"`, "at most"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := c.files.inspect(t, c.format)
			require.Equal(t, c.kind, fault.KindOf(err), "%v", err)
			for _, s := range c.says {
				require.Contains(t, fault.Text(err), s)
			}
		})
	}
}

// onnx is the smallest message that is an ONNX model from outside.
func onnx() []byte {
	b := protowire.AppendTag(nil, 1, protowire.VarintType)
	b = protowire.AppendVarint(b, 10)
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	b = protowire.AppendString(b, "pytorch")
	b = protowire.AppendTag(b, 7, protowire.BytesType)
	b = protowire.AppendBytes(b, bytes.Repeat([]byte{0x0a, 0x00}, 5000))
	b = protowire.AppendTag(b, 8, protowire.BytesType)
	return protowire.AppendBytes(b, []byte{0x10, 0x15})
}

func TestOtherFormatsTellWhatTheyAre(t *testing.T) {
	t.Parallel()
	got, err := folder{"net.onnx": onnx()}.inspect(t, "onnx")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"file": "net.onnx", "ir_version": "10", "producer": "pytorch"}, got)

	got, err = folder{"MLmodel": []byte("flavors:\n  sklearn: {x: 1}\n  python_function: {}\nmlflow_version: 3.5.0\nmodel_uuid: abc\n"), "empty": nil}.inspect(t, "mlflow")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"flavors": "python_function,sklearn", "mlflow_version": "3.5.0", "model_uuid": "abc"}, got)

	got, err = folder{"anything": []byte("x"), "empty": nil}.inspect(t, "custom")
	require.NoError(t, err)
	require.Empty(t, got)
}

// A bucket that fails is not a damaged file: the version must not be condemned for it.
func TestAFailureOfReadingIsNoDamage(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"gguf", "onnx", "mlflow"} {
		files := []domain.ArtifactFile{{Path: "a.gguf", Size: 100}, {Path: "a.onnx", Size: 100}, {Path: "MLmodel", Size: 100}}
		_, err := modelfile.Inspect(t.Context(), format, files, func(context.Context, domain.ArtifactFile) modelfile.Source { return source{failing{}} })
		require.Error(t, err)
		require.NotEqual(t, fault.Invalid, fault.KindOf(err), format)
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("the bucket is on fire") }

func FuzzFiles(f *testing.F) {
	f.Add([]byte("GGUF"), true)
	f.Add(onnx(), false)
	f.Add(onnx()[:15], false)
	f.Fuzz(func(t *testing.T, content []byte, isGGUF bool) {
		name, format := "a.onnx", "onnx"
		if isGGUF {
			name, format = "a.gguf", "gguf"
		}
		_, err := folder{name: content}.inspect(t, format)
		if err != nil && !fault.Is(err, fault.Invalid) {
			t.Fatalf("%v", err)
		}
	})
}
