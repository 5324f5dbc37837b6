package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"

	"github.com/slipway-ai/slipway/cmd/slipway/internal/restconn"
	"github.com/slipway-ai/slipway/pkg/fault"
)

func (s *session) models() *cobra.Command {
	return noun("model", "Registered models and their versions",
		s.modelRegister(), s.modelList(), s.modelGet(), s.modelVersions(), s.modelAlias(), s.modelDelete())
}

func (s *session) modelRegister() *cobra.Command {
	var format, alias, comment, source string
	cmd := &cobra.Command{
		Use:   "register CATALOG.SCHEMA.MODEL FILE|FOLDER",
		Short: "Upload a new version of a model and make it READY",
		Long: `Upload a file (or every file of a folder) as a new version of a model, checked by size and SHA-256, and make it READY.
The model is created when it is new. With --alias the alias moves to the new version.`,
		Example: "  slipway model register main.demo.storyteller tiny2-q8_0.gguf --alias champion",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := s.dial()
			if err != nil {
				return err
			}
			u := &uploader{conn: conn, models: registryv1.NewModelServiceClient(conn), progress: cmd.ErrOrStderr(), model: args[0]}
			version, err := u.register(cmd, args[1], format, comment, source)
			if err != nil {
				return err
			}
			if alias != "" {
				if _, err := u.models.SetModelAlias(cmd.Context(), &registryv1.SetModelAliasRequest{Model: args[0], Alias: alias, Version: version.GetVersion()}); err != nil {
					return err
				}
				version.Aliases = append(version.Aliases, alias)
			}
			return s.show(cmd, version, func(t *table) {
				t.row("registered", fmt.Sprintf("models:/%s/%d", args[0], version.GetVersion()))
				for _, a := range version.GetAliases() {
					t.row("alias", "models:/"+args[0]+"@"+a)
				}
				for _, k := range []string{"architecture", "parameters", "context_length", "quantization"} {
					if v := version.GetProperties()[k]; v != "" {
						t.row(k, v)
					}
				}
			})
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "gguf, onnx, mlflow or custom (default: by the files)")
	cmd.Flags().StringVar(&alias, "alias", "", "point this alias at the new version")
	cmd.Flags().StringVar(&comment, "comment", "", "what is new in it")
	cmd.Flags().StringVar(&source, "source", "", "where it came from; a models:/ reference is drawn as lineage")
	return cmd
}

// uploader registers one version.
type uploader struct {
	conn     *restconn.Conn
	models   registryv1.ModelServiceClient
	progress io.Writer
	model    string
}

func (u *uploader) register(cmd *cobra.Command, from, format, comment, source string) (*registryv1.ModelVersion, error) {
	files, err := filesOf(from)
	if err != nil {
		return nil, err
	}
	if format == "" {
		format = guessFormat(files)
	}
	ctx := cmd.Context()
	_, err = u.models.CreateModel(ctx, &registryv1.CreateModelRequest{FullName: u.model})
	if err != nil && !fault.Is(err, fault.AlreadyExists) {
		return nil, err
	}
	made, err := u.models.CreateModelVersion(ctx, &registryv1.CreateModelVersionRequest{Model: u.model, Format: format, Comment: comment, Source: source})
	if err != nil {
		return nil, err
	}
	version := made.GetModelVersion().GetVersion()
	var expected []*registryv1.ArtifactFile
	for _, f := range files {
		stored, err := u.upload(cmd, version, f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		expected = append(expected, stored)
	}
	ready, err := u.models.FinalizeModelVersion(ctx, &registryv1.FinalizeModelVersionRequest{Model: u.model, Version: version, ExpectedFiles: expected})
	if err != nil {
		return nil, err
	}
	return ready.GetModelVersion(), nil
}

type localFile struct {
	name, path string
	size       int64
}

func filesOf(from string) ([]localFile, error) {
	info, err := os.Stat(from)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []localFile{{filepath.Base(from), from, info.Size()}}, nil
	}
	var files []localFile
	err = filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		files = append(files, localFile{filepath.ToSlash(rel), p, info.Size()})
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s holds no files", from)
	}
	return files, err
}

func guessFormat(files []localFile) string {
	has := func(f func(localFile) bool) bool { return slices.ContainsFunc(files, f) }
	switch {
	case has(func(f localFile) bool { return path.Base(f.name) == "MLmodel" }):
		return "mlflow"
	case has(func(f localFile) bool { return strings.HasSuffix(f.name, ".gguf") }):
		return "gguf"
	case has(func(f localFile) bool { return strings.HasSuffix(f.name, ".onnx") }):
		return "onnx"
	}
	return "custom"
}

func (u *uploader) upload(cmd *cobra.Command, version int64, f localFile) (*registryv1.ArtifactFile, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return nil, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	parts := strings.Split(f.name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	target := "/api/slipway/v1/models/" + url.PathEscape(u.model) + "/versions/" + strconv.FormatInt(version, 10) + "/artifacts/" + strings.Join(parts, "/")
	bar := newBar(u.progress, f.name, f.size)
	defer bar.end()
	answer, err := u.conn.DoHeader(cmd.Context(), http.MethodPut, target,
		http.Header{"Content-Type": {"application/octet-stream"}, "X-Slipway-Sha256": {sum}}, f.size, io.TeeReader(file, bar))
	if err != nil {
		return nil, err
	}
	return &registryv1.ArtifactFile{Path: f.name, SizeBytes: f.size, Sha256: sum}, answer.Body.Close()
}

func (s *session) modelList() *cobra.Command {
	var schema string
	cmd := &cobra.Command{
		Use: "list", Short: "List models", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(s, cmd, registryv1.NewModelServiceClient, registryv1.ModelServiceClient.ListModels, &registryv1.ListModelsRequest{Schema: schema, PageSize: 1000},
				func(t *table, r *registryv1.ListModelsResponse) {
					t.row("NAME", "LATEST", "ALIASES", "OWNER", "UPDATED")
					for _, m := range r.GetModels() {
						t.row(m.GetFullName(), m.GetLatestVersion(), aliases(m.GetAliases()), m.GetOwner(), when(m.GetUpdateTime()))
					}
				})
		},
	}
	cmd.Flags().StringVar(&schema, "schema", "", "only models of this catalog.schema")
	return cmd
}

// aliases prints alias → version pairs in order.
func aliases(m map[string]int64) string {
	out := make([]string, 0, len(m))
	for name, version := range m {
		out = append(out, fmt.Sprintf("@%s=%d", name, version))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (s *session) modelGet() *cobra.Command {
	return &cobra.Command{
		Use: "get CATALOG.SCHEMA.MODEL", Short: "Show a model", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, registryv1.NewModelServiceClient, registryv1.ModelServiceClient.GetModel, &registryv1.GetModelRequest{FullName: args[0]},
				func(t *table, r *registryv1.GetModelResponse) {
					m := r.GetModel()
					t.row("name", m.GetFullName())
					t.row("owner", m.GetOwner())
					t.row("latest version", m.GetLatestVersion())
					t.row("aliases", aliases(m.GetAliases()))
					t.row("comment", m.GetComment())
				})
		},
	}
}

func (s *session) modelVersions() *cobra.Command {
	return &cobra.Command{
		Use: "versions CATALOG.SCHEMA.MODEL", Short: "List a model's versions, newest first", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, registryv1.NewModelServiceClient, registryv1.ModelServiceClient.ListModelVersions, &registryv1.ListModelVersionsRequest{Model: args[0], PageSize: 1000},
				func(t *table, r *registryv1.ListModelVersionsResponse) {
					t.row("VERSION", "STATUS", "FORMAT", "ALIASES", "FILES", "BYTES", "CREATED", "BY", "COMMENT")
					for _, v := range r.GetModelVersions() {
						var size int64
						for _, f := range v.GetFiles() {
							size += f.GetSizeBytes()
						}
						t.row(v.GetVersion(), short(v.GetStatus().String(), "MODEL_VERSION_STATUS_"), v.GetFormat(), strings.Join(v.GetAliases(), " "), len(v.GetFiles()), size, when(v.GetCreateTime()), v.GetCreator(), v.GetComment())
					}
				})
		},
	}
}

func (s *session) modelAlias() *cobra.Command {
	return &cobra.Command{
		Use: "alias CATALOG.SCHEMA.MODEL ALIAS VERSION", Short: "Point an alias at a version; endpoints that follow it update themselves", Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := versionArg(args[2])
			if err != nil {
				return err
			}
			return call(s, cmd, registryv1.NewModelServiceClient, registryv1.ModelServiceClient.SetModelAlias, &registryv1.SetModelAliasRequest{Model: args[0], Alias: strings.TrimPrefix(args[1], "@"), Version: version},
				func(t *table, r *registryv1.SetModelAliasResponse) {
					t.row(fmt.Sprintf("models:/%s@%s is version %d (was %d)", args[0], strings.TrimPrefix(args[1], "@"), version, r.GetPreviousVersion()))
				})
		},
	}
}

func versionArg(s string) (int64, error) {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < 1 {
		return 0, fmt.Errorf("%q is not a version number (1, 2, 3, …)", s)
	}
	return v, nil
}

func (s *session) modelDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete CATALOG.SCHEMA.MODEL", Short: "Delete a model with its versions", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, registryv1.NewModelServiceClient, registryv1.ModelServiceClient.DeleteModel, &registryv1.DeleteModelRequest{FullName: args[0]},
				func(t *table, _ *registryv1.DeleteModelResponse) { t.row("deleted model", args[0]) })
		},
	}
}
