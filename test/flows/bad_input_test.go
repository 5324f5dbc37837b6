package flows

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"

	"github.com/slipway-ai/slipway/test/client"
	"github.com/slipway-ai/slipway/test/topology"
)

// bad is one thing that users get wrong, on both surfaces.
type bad struct {
	name string
	rest func(b *bench) (code int, body string)
	grpc func(b *bench) error

	wantHTTP []int
	wantGRPC codes.Code
	says     string // both texts hold it, in lower case
}

// bench is a platform with one endpoint and callers of several kinds.
type bench struct {
	t     *testing.T
	p     *topology.Platform
	admin string
	ann   string // may do nothing
	old   string // expired
	conn  *grpc.ClientConn
}

func TestBadInputGetsAClearErrorOfTheRightKindAndLosesNothing(t *testing.T) {
	p := topology.ForTest(t, topology.Options{})
	p.DeployModel(t, "chat")
	b := newBench(t, p)
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			if c.rest != nil {
				code, body := c.rest(b)
				require.Contains(t, c.wantHTTP, code, body)
				require.Contains(t, strings.ToLower(body), c.says)
				requireNoSecret(t, b, body)
			}
			if c.grpc != nil {
				err := c.grpc(b)
				require.Equal(t, c.wantGRPC, status.Code(err), "%v", err)
				require.Contains(t, strings.ToLower(status.Convert(err).Message()), c.says)
				requireNoSecret(t, b, err.Error())
			}
		})
	}
	b.t = t
	b.requireNothingLostOrLeaked()
}

func newBench(t *testing.T, p *topology.Platform) *bench {
	p.Must(t, "principal", "put", "ann")
	ann, err := p.NewToken(t.Context(), "ann", "all")
	require.NoError(t, err)
	out := p.Must(t, "token", "create", "--principal", "ann", "--lifetime", "1s", "--output", "json")
	var made struct{ Secret string }
	require.NoError(t, json.Unmarshal([]byte(out), &made))
	conn, err := grpc.NewClient(p.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(64<<20)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &bench{t: t, p: p, admin: p.Token, ann: ann, old: made.Secret, conn: conn}
}

// as is a context that carries a token to gRPC.
func (b *bench) as(token string) context.Context {
	return metadata.AppendToOutgoingContext(b.t.Context(), "authorization", "Bearer "+token)
}

// call sends JSON to the REST API.
func (b *bench) call(token, method, path string, body any) (int, string) {
	raw, ok := body.([]byte)
	if !ok && body != nil {
		var err error
		raw, err = json.Marshal(body)
		require.NoError(b.t, err)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.p.URL+path, bytes.NewReader(raw))
	require.NoError(b.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	require.NoError(b.t, err)
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	return res.StatusCode, string(out)
}

func (b *bench) chat(token string, raw []byte) (int, string) {
	return b.call(token, http.MethodPost, "/v1/chat/completions", raw)
}

// upload makes a version of main.test.chat over gRPC, sends the content and finalizes it.
func (b *bench) upload(content []byte) error {
	ctx := b.as(b.admin)
	made, err := registryv1.NewModelServiceClient(b.conn).CreateModelVersion(ctx, &registryv1.CreateModelVersionRequest{Model: "main.test.chat", Format: "gguf"})
	require.NoError(b.t, err)
	version := made.GetModelVersion().GetVersion()
	stream, err := registryv1.NewArtifactServiceClient(b.conn).UploadArtifact(ctx)
	require.NoError(b.t, err)
	header := &registryv1.UploadArtifactHeader{Model: "main.test.chat", Version: version, SizeKnown: true, File: &registryv1.ArtifactFile{Path: "model.gguf", SizeBytes: int64(len(content))}}
	require.NoError(b.t, stream.Send(&registryv1.UploadArtifactRequest{Part: &registryv1.UploadArtifactRequest_Header{Header: header}}))
	for len(content) > 0 {
		n := min(len(content), 1<<20)
		if err := stream.Send(&registryv1.UploadArtifactRequest{Part: &registryv1.UploadArtifactRequest_Chunk{Chunk: content[:n]}}); err != nil {
			break // the answer says why
		}
		content = content[n:]
	}
	if _, err := stream.CloseAndRecv(); err != nil {
		return err
	}
	_, err = registryv1.NewModelServiceClient(b.conn).FinalizeModelVersion(ctx, &registryv1.FinalizeModelVersionRequest{Model: "main.test.chat", Version: version})
	return err
}

// register does the same through REST and returns the first answer that is not a success.
func (b *bench) register(content []byte) (int, string) {
	code, body := b.call(b.admin, http.MethodPost, "/api/slipway/v1/models/main.test.chat/versions", map[string]any{"format": "gguf"})
	require.Equal(b.t, http.StatusOK, code, body)
	var made struct {
		Version struct {
			Number string `json:"version"`
		} `json:"modelVersion"`
	}
	require.NoError(b.t, json.Unmarshal([]byte(body), &made))
	version := "/api/slipway/v1/models/main.test.chat/versions/" + made.Version.Number
	if code, body := b.call(b.admin, http.MethodPut, version+"/artifacts/model.gguf", content); code != http.StatusOK {
		return code, body
	}
	return b.call(b.admin, http.MethodPost, version+":finalize", map[string]any{})
}

func config(share int32) *servingv1.EndpointConfig {
	model := func(name string) *servingv1.ServedEntity {
		return &servingv1.ServedEntity{Name: name, Entity: &servingv1.ServedEntity_Model{Model: &servingv1.ModelEntity{Model: "models:/main.test.chat@champion"}}}
	}
	return &servingv1.EndpointConfig{
		ServedEntities: []*servingv1.ServedEntity{model("a"), model("b")},
		Routes:         []*servingv1.TrafficRoute{{ServedEntity: "a", TrafficPercentage: share}, {ServedEntity: "b", TrafficPercentage: 11}},
	}
}

func cases() []bad {
	const question = "What is drift?"
	return []bad{
		{
			name:     "a damaged GGUF",
			rest:     func(b *bench) (int, string) { return b.register(damaged(b)) },
			grpc:     func(b *bench) error { return b.upload(damaged(b)) },
			wantHTTP: []int{http.StatusBadRequest}, wantGRPC: codes.InvalidArgument, says: "gguf",
		},
		{
			name:     "an upload of 0 bytes",
			rest:     func(b *bench) (int, string) { return b.register([]byte{}) },
			grpc:     func(b *bench) error { return b.upload(nil) },
			wantHTTP: []int{http.StatusBadRequest}, wantGRPC: codes.InvalidArgument, says: "empty",
		},
		{
			name: "shares that sum to 101 %",
			rest: func(b *bench) (int, string) {
				return b.call(b.admin, http.MethodPut, "/api/slipway/v1/endpoints/chat/config", map[string]any{"config": map[string]any{
					"servedEntities": []any{
						map[string]any{"name": "a", "model": map[string]any{"model": "models:/main.test.chat@champion"}},
						map[string]any{"name": "b", "model": map[string]any{"model": "models:/main.test.chat@champion"}},
					},
					"routes": []any{map[string]any{"servedEntity": "a", "trafficPercentage": 90}, map[string]any{"servedEntity": "b", "trafficPercentage": 11}},
				}})
			},
			grpc: func(b *bench) error {
				_, err := servingv1.NewEndpointServiceClient(b.conn).UpdateEndpointConfig(b.as(b.admin), &servingv1.UpdateEndpointConfigRequest{Name: "chat", Config: config(90)})
				return err
			},
			wantHTTP: []int{http.StatusBadRequest}, wantGRPC: codes.InvalidArgument, says: "101",
		},
		{
			name: "an unknown alias",
			rest: func(b *bench) (int, string) {
				return b.call(b.admin, http.MethodGet, "/api/slipway/v1/model-versions:resolve?uri=models:/main.test.chat@nobody", nil)
			},
			grpc: func(b *bench) error {
				_, err := registryv1.NewModelServiceClient(b.conn).ResolveModelVersion(b.as(b.admin), &registryv1.ResolveModelVersionRequest{Uri: "models:/main.test.chat@nobody"})
				return err
			},
			wantHTTP: []int{http.StatusNotFound}, wantGRPC: codes.NotFound, says: "nobody",
		},
		{
			name: "a missing grant on a model",
			rest: func(b *bench) (int, string) {
				return b.call(b.ann, http.MethodGet, "/api/slipway/v1/models/main.test.chat", nil)
			},
			grpc: func(b *bench) error {
				_, err := registryv1.NewModelServiceClient(b.conn).GetModel(b.as(b.ann), &registryv1.GetModelRequest{FullName: "main.test.chat"})
				return err
			},
			// ann may not use the catalog: that there is such a model is not hers to know
			wantHTTP: []int{http.StatusNotFound}, wantGRPC: codes.NotFound, says: "main",
		},
		{
			name:     "a missing grant on an endpoint",
			rest:     func(b *bench) (int, string) { return b.chat(b.ann, chatBody(question)) },
			wantHTTP: []int{http.StatusForbidden, http.StatusNotFound}, says: "chat",
		},
		{
			name: "an expired token",
			rest: func(b *bench) (code int, body string) {
				topology.Eventually(b.t, "the token is expired", func() bool {
					code, body = b.call(b.old, http.MethodGet, "/api/slipway/v1/principals/me", nil)
					return code != http.StatusOK
				})
				return code, body
			},
			grpc: func(b *bench) error {
				_, err := registryv1.NewCatalogServiceClient(b.conn).ListCatalogs(b.as(b.old), &registryv1.ListCatalogsRequest{})
				return err
			},
			wantHTTP: []int{http.StatusUnauthorized}, wantGRPC: codes.Unauthenticated, says: "expired",
		},
		{
			name: "a body of 50 MB",
			rest: func(b *bench) (int, string) { return b.chat(b.admin, chatBody(strings.Repeat("x", 50<<20))) },
			grpc: func(b *bench) error {
				_, err := registryv1.NewPromptServiceClient(b.conn).ImportPromptVersion(b.as(b.admin), &registryv1.ImportPromptVersionRequest{Prompt: "main.test.p", FileName: "p.txt", Content: make([]byte, 50<<20)})
				return err
			},
			wantHTTP: []int{http.StatusRequestEntityTooLarge}, wantGRPC: codes.ResourceExhausted, says: "larger",
		},
		{
			name: "invalid UTF-8",
			rest: func(b *bench) (int, string) { return b.chat(b.admin, chatBody("caf\xe9")) },
			grpc: func(b *bench) error {
				raw := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "caf\xe9")
				return b.conn.Invoke(b.as(b.admin), registryv1.CatalogService_CreateCatalog_FullMethodName, raw, &[]byte{}, grpc.ForceCodec(bytesCodec{}))
			},
			wantHTTP: []int{http.StatusBadRequest}, wantGRPC: codes.InvalidArgument, says: "utf-8",
		},
		{
			name: "a key twice",
			rest: func(b *bench) (int, string) {
				return b.chat(b.admin, []byte(`{"model":"chat","model":"other","messages":[]}`))
			},
			wantHTTP: []int{http.StatusBadRequest}, says: "model",
		},
		{
			name: "a client that hangs up in mid-stream",
			grpc: func(b *bench) error {
				ctx, cancel := context.WithCancel(b.as(b.admin))
				stream, err := registryv1.NewArtifactServiceClient(b.conn).DownloadArtifact(ctx, &registryv1.DownloadArtifactRequest{Model: "main.test.chat", Version: 1, Path: "tiny2-q8_0.gguf"})
				require.NoError(b.t, err)
				_, err = stream.Recv()
				require.NoError(b.t, err)
				cancel()
				for err == nil {
					_, err = stream.Recv()
				}
				b.hangUp()
				return err
			},
			wantGRPC: codes.Canceled, says: "cancel",
		},
	}
}

func chatBody(text string) []byte {
	return fmt.Appendf(nil, `{"model":"chat","messages":[{"role":"user","content":"%s"}]}`, text)
}

// damaged is the real model with its tensor table torn off.
func damaged(b *bench) []byte {
	raw, err := os.ReadFile(topology.ModelFile(b.t))
	require.NoError(b.t, err)
	return raw[:20000]
}

// hangUp reads the beginning of a streamed story and closes the connection.
func (b *bench) hangUp() {
	ctx, cancel := context.WithCancel(b.t.Context())
	defer cancel()
	body := []byte(`{"model":"chat","stream":true,"max_tokens":400,"messages":[{"role":"user","content":"Tell me a story about a fox."}]}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.p.URL+"/v1/chat/completions", bytes.NewReader(body))
	require.NoError(b.t, err)
	req.Header.Set("Authorization", "Bearer "+b.admin)
	req.Header.Set("X-Client-Request-Id", "hung-up")
	res, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	require.NoError(b.t, err)
	defer res.Body.Close()
	_, err = res.Body.Read(make([]byte, 64))
	require.NoError(b.t, err)
}

// requireNothingLostOrLeaked: the platform answers exactly, every slot is free, the log adds up, no secret is in a log.
func (b *bench) requireNothingLostOrLeaked() {
	answer, err := client.Caller{URL: b.p.URL, Token: b.admin}.Chat(b.t.Context(), client.Ask{Endpoint: "chat", Question: "What is drift?"})
	require.NoError(b.t, err)
	require.Equal(b.t, "Drift means that new data no longer looks like the data that the model learned from.", answer.Text)
	topology.Eventually(b.t, "no request runs in the engine any more", func() bool {
		got, err := gpuruntimev1.NewRuntimeServiceClient(b.conn).ListInstances(b.as(b.admin), &gpuruntimev1.ListInstancesRequest{})
		require.NoError(b.t, err)
		for _, i := range got.GetInstances() {
			if i.GetActiveRequests()+i.GetQueuedRequests() > 0 {
				return false
			}
		}
		return true
	})
	require.NoError(b.t, b.p.AwaitSettled(b.t.Context(), time.Minute))
	var log topology.RequestLog
	require.NoError(b.t, b.p.GetJSON(b.t.Context(), "/api/slipway/v1/request-log", &log))
	var audit topology.LogAudit
	require.NoError(b.t, b.p.GetJSON(b.t.Context(), "/api/slipway/v1/inferences:audit?verify=true", &audit))
	require.Len(b.t, audit.Sources, 1)
	require.Equal(b.t, log.Admitted, audit.Sources[0].Distinct)
	require.Equal(b.t, audit.Sources[0].Rows, audit.Sources[0].Distinct)
	var page struct {
		Inferences []struct {
			StatusCode int `json:"statusCode"`
		} `json:"inferences"`
	}
	require.NoError(b.t, b.p.GetJSON(b.t.Context(), "/api/slipway/v1/inferences?endpoint=chat&client_request_id=hung-up", &page))
	require.Len(b.t, page.Inferences, 1)
	require.Equal(b.t, 499, page.Inferences[0].StatusCode, "the caller hung up")
	requireNoSecret(b.t, b, b.p.Logs())
}

func requireNoSecret(t *testing.T, b *bench, text string) {
	t.Helper()
	for _, secret := range []string{b.admin, b.ann, b.old} {
		require.NotContains(t, text, secret)
	}
}

// bytesCodec sends bytes as they are, so that a test can send what no generated code would.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) ([]byte, error)     { return v.([]byte), nil }
func (bytesCodec) Unmarshal(raw []byte, v any) error { *v.(*[]byte) = raw; return nil }
func (bytesCodec) Name() string                      { return "proto" }
