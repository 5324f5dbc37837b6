package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/boot"
	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/pkg/lifecycle"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	"github.com/slipway-ai/slipway/pkg/testkit"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/registry"
)

// house is a registry behind a real gRPC connection in this process, as the platform runs it.
type house struct {
	t        testing.TB
	url      string
	dir      string // of the artifacts
	conn     *grpc.ClientConn
	catalog  registryv1.CatalogServiceClient
	model    registryv1.ModelServiceClient
	artifact registryv1.ArtifactServiceClient
	prompt   registryv1.PromptServiceClient
	access   registryv1.AccessServiceClient
	lineage  registryv1.LineageServiceClient
	event    registryv1.EventServiceClient
}

func sqlite(t testing.TB) string { return testkit.SQLite(t) }

// eachStore runs a test on an empty registry on SQLite and on one on PostgreSQL.
func eachStore(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	for name, url := range map[string]func(testing.TB) string{"sqlite": testkit.SQLite, "postgres": testkit.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t, url(t), nil))
		})
	}
}

func onSQLite(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	test(t, open(t, sqlite(t), nil))
}

// open starts a registry on a database; change may turn what it likes before.
func open(t testing.TB, url string, change func(c *registry.Config, s *boot.Settings)) *house {
	t.Helper()
	h := &house{t: t, url: url, dir: t.TempDir()}
	cfg := registry.Default()
	cfg.Store.URL = config.Secret(url)
	cfg.Artifacts.Root = h.dir
	cfg.Artifacts.MaxFile = 4 << 20
	cfg.Events.Poll = config.Duration(20 * time.Millisecond)
	tel := telemetry.Discard()
	s := boot.Settings{Log: tel.Log, Telemetry: tel, Net: link.NewNetwork(), Clock: clock.System(), IDs: id.UUIDv7(), DataDir: h.dir}
	if change != nil {
		change(&cfg, &s)
	}
	svc, err := registry.New(t.Context(), cfg, s)
	require.NoError(t, err)
	host, err := boot.NewHost(boot.HostOptions{Name: "registry", Listen: "inproc:registry"}, svc, s)
	require.NoError(t, err)
	table, err := lifecycle.NewTable(host.Module())
	require.NoError(t, err)
	require.NoError(t, table.Start(t.Context()))
	h.conn, err = s.Net.Dial("inproc:registry", link.TLS{}, rpc.DialOptions("test", tel)...)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = h.conn.Close()
		require.NoError(t, table.Stop(context.WithoutCancel(t.Context())))
	})
	h.catalog, h.model, h.artifact = registryv1.NewCatalogServiceClient(h.conn), registryv1.NewModelServiceClient(h.conn), registryv1.NewArtifactServiceClient(h.conn)
	h.prompt, h.access = registryv1.NewPromptServiceClient(h.conn), registryv1.NewAccessServiceClient(h.conn)
	h.lineage, h.event = registryv1.NewLineageServiceClient(h.conn), registryv1.NewEventServiceClient(h.conn)
	return h
}

// as is a context on behalf of a user.
func as(t testing.TB, name string, groups ...string) context.Context {
	return auth.With(t.Context(), auth.Principal{Name: name, Kind: auth.User, Groups: groups})
}

func admin(t testing.TB) context.Context { return as(t, "root", auth.Admins) }

func internal(t testing.TB) context.Context { return auth.With(t.Context(), auth.Service("serving")) }

// must is the answer of a call that works.
func must[T any](t testing.TB) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		require.NoError(t, err)
		return v
	}
}

// refused checks kind, reason and text of a failure. An empty reason is the kind's own.
func refused(t testing.TB, err error, kind fault.Kind, reason string, says ...string) {
	t.Helper()
	require.Equal(t, kind, fault.KindOf(err), "%v", err)
	if reason != "" {
		require.Equal(t, reason, fault.Reason(err))
	}
	for _, s := range says {
		require.Contains(t, fault.Text(err), s)
	}
}

// The names of the furnished house.
const (
	chat  = "main.demo.chat"
	greet = "main.demo.greet"
)

// furnish fills a house, all of it owned by root: catalog main with the schemas demo and empty, catalog bare, model chat
// with version 1 (READY, custom, file weights.bin, alias champion) and version 2 (PENDING_UPLOAD, the same file), prompt
// greet with version 1 (alias prod), and an endpoint faq.
func furnish(t testing.TB, h *house) {
	t.Helper()
	ctx := admin(t)
	for _, name := range []string{"main", "bare"} {
		must[*registryv1.CreateCatalogResponse](t)(h.catalog.CreateCatalog(ctx, &registryv1.CreateCatalogRequest{Name: name}))
	}
	for _, name := range []string{"main.demo", "main.empty"} {
		must[*registryv1.CreateSchemaResponse](t)(h.catalog.CreateSchema(ctx, &registryv1.CreateSchemaRequest{FullName: name}))
	}
	must[*registryv1.CreateModelResponse](t)(h.model.CreateModel(ctx, &registryv1.CreateModelRequest{FullName: chat, Tags: map[string]string{"team": "search"}}))
	for range 2 {
		v := newVersion(t, h, ctx, chat, "custom")
		must[*registryv1.ArtifactFile](t)(h.upload(ctx, chat, v, "weights.bin", []byte("some weights")))
		if v == 1 {
			finalize(t, h, ctx, chat, v)
		}
	}
	must[*registryv1.SetModelAliasResponse](t)(h.model.SetModelAlias(ctx, &registryv1.SetModelAliasRequest{Model: chat, Alias: "champion", Version: 1}))
	must[*registryv1.CreatePromptResponse](t)(h.prompt.CreatePrompt(ctx, &registryv1.CreatePromptRequest{FullName: greet}))
	must[*registryv1.CreatePromptVersionResponse](t)(h.prompt.CreatePromptVersion(ctx, &registryv1.CreatePromptVersionRequest{Prompt: greet, Template: "Hello {{name}}"}))
	must[*registryv1.SetPromptAliasResponse](t)(h.prompt.SetPromptAlias(ctx, &registryv1.SetPromptAliasRequest{Prompt: greet, Alias: "prod", Version: 1}))
	must[*registryv1.RegisterSecurableResponse](t)(h.access.RegisterSecurable(internal(t), &registryv1.RegisterSecurableRequest{Securable: endpoint("faq"), Owner: "root"}))
}

func newVersion(t testing.TB, h *house, ctx context.Context, model, format string) int64 {
	t.Helper()
	r := must[*registryv1.CreateModelVersionResponse](t)(h.model.CreateModelVersion(ctx, &registryv1.CreateModelVersionRequest{Model: model, Format: format}))
	return r.GetModelVersion().GetVersion()
}

func finalize(t testing.TB, h *house, ctx context.Context, model string, version int64) *registryv1.ModelVersion {
	t.Helper()
	r := must[*registryv1.FinalizeModelVersionResponse](t)(h.model.FinalizeModelVersion(ctx, &registryv1.FinalizeModelVersionRequest{Model: model, Version: version}))
	return r.GetModelVersion()
}

// upload sends a file as the platform's own clients do: digest and size first.
func (h *house) upload(ctx context.Context, model string, version int64, path string, content []byte) (*registryv1.ArtifactFile, error) {
	return h.send(ctx, &registryv1.UploadArtifactHeader{
		Model: model, Version: version, SizeKnown: true,
		File: &registryv1.ArtifactFile{Path: path, SizeBytes: int64(len(content)), Sha256: digest(content)},
	}, content)
}

// send sends a file under any announcement, in pieces.
func (h *house) send(ctx context.Context, header *registryv1.UploadArtifactHeader, content []byte) (*registryv1.ArtifactFile, error) {
	stream, err := h.artifact.UploadArtifact(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&registryv1.UploadArtifactRequest{Part: &registryv1.UploadArtifactRequest_Header{Header: header}}); err != nil {
		return closeUpload(stream)
	}
	for len(content) > 0 {
		n := min(len(content), 100_000)
		if err := stream.Send(&registryv1.UploadArtifactRequest{Part: &registryv1.UploadArtifactRequest_Chunk{Chunk: content[:n]}}); err != nil {
			return closeUpload(stream) // the server has ended the call; what it said is in the answer
		}
		content = content[n:]
	}
	return closeUpload(stream)
}

func closeUpload(stream registryv1.ArtifactService_UploadArtifactClient) (*registryv1.ArtifactFile, error) {
	r, err := stream.CloseAndRecv()
	return r.GetFile(), err
}

func (h *house) download(ctx context.Context, model string, version int64, path string, offset int64) (*registryv1.ArtifactFile, []byte, error) {
	stream, err := h.artifact.DownloadArtifact(ctx, &registryv1.DownloadArtifactRequest{Model: model, Version: version, Path: path, Offset: offset})
	if err != nil {
		return nil, nil, err
	}
	var file *registryv1.ArtifactFile
	content := []byte{}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return file, content, nil
		}
		if err != nil {
			return file, content, err
		}
		if m.GetFile() != nil {
			file = m.GetFile()
		}
		content = append(content, m.GetChunk()...)
	}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// tiny is a real language model.
func tiny(t testing.TB) []byte {
	t.Helper()
	return must[[]byte](t)(os.ReadFile("../../../../models/tiny-q8_0.gguf"))
}

func securable(typ registryv1.SecurableType, name string) *registryv1.Securable {
	return &registryv1.Securable{Type: typ, FullName: name}
}

func metastore() *registryv1.Securable {
	return securable(registryv1.SecurableType_SECURABLE_TYPE_METASTORE, "")
}

func catalogNamed(name string) *registryv1.Securable {
	return securable(registryv1.SecurableType_SECURABLE_TYPE_CATALOG, name)
}

func schemaNamed(name string) *registryv1.Securable {
	return securable(registryv1.SecurableType_SECURABLE_TYPE_SCHEMA, name)
}

func modelNamed(name string) *registryv1.Securable {
	return securable(registryv1.SecurableType_SECURABLE_TYPE_MODEL, name)
}

func promptNamed(name string) *registryv1.Securable {
	return securable(registryv1.SecurableType_SECURABLE_TYPE_PROMPT, name)
}

func endpoint(name string) *registryv1.Securable {
	return securable(registryv1.SecurableType_SECURABLE_TYPE_ENDPOINT, name)
}

// Short names for the privileges.
const (
	useCatalog         = registryv1.Privilege_PRIVILEGE_USE_CATALOG
	useSchema          = registryv1.Privilege_PRIVILEGE_USE_SCHEMA
	execute            = registryv1.Privilege_PRIVILEGE_EXECUTE
	manage             = registryv1.Privilege_PRIVILEGE_MANAGE
	createCatalog      = registryv1.Privilege_PRIVILEGE_CREATE_CATALOG
	createSchema       = registryv1.Privilege_PRIVILEGE_CREATE_SCHEMA
	createModel        = registryv1.Privilege_PRIVILEGE_CREATE_MODEL
	createPrompt       = registryv1.Privilege_PRIVILEGE_CREATE_PROMPT
	createModelVersion = registryv1.Privilege_PRIVILEGE_CREATE_MODEL_VERSION
	createEndpoint     = registryv1.Privilege_PRIVILEGE_CREATE_ENDPOINT
)

func (h *house) grant(principal string, on *registryv1.Securable, privileges ...registryv1.Privilege) {
	h.t.Helper()
	must[*registryv1.UpdateGrantsResponse](h.t)(h.access.UpdateGrants(admin(h.t), &registryv1.UpdateGrantsRequest{
		Securable: on, Changes: []*registryv1.GrantChange{{Principal: principal, Add: privileges}},
	}))
}

func (h *house) revoke(principal string, on *registryv1.Securable, privileges ...registryv1.Privilege) {
	h.t.Helper()
	must[*registryv1.UpdateGrantsResponse](h.t)(h.access.UpdateGrants(admin(h.t), &registryv1.UpdateGrantsRequest{
		Securable: on, Changes: []*registryv1.GrantChange{{Principal: principal, Remove: privileges}},
	}))
}
