package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	gatewayv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gateway/v1"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"

	"github.com/slipway-ai/slipway/cmd/slipway/internal/restconn"
	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
)

const (
	application = "demo-app"
	first       = "prompt-v1"
	second      = "prompt-v2"

	promptText = "{{question}}"
	promptYAML = `# The second wording: shorter answers.
messages:
  - role: user
    content: "{{question}}"
parameters:
  max_tokens: 24
comment: Half the length
`
	deployTimeout = 60 * time.Second
)

func (d *demo) createNamespace(ctx context.Context) error {
	_, err := d.catalogs.CreateCatalog(ctx, &registryv1.CreateCatalogRequest{Name: d.catalog, Comment: "Made by slipway demo"})
	if err != nil && !fault.Is(err, fault.AlreadyExists) {
		return err
	}
	if _, err := d.catalogs.CreateSchema(ctx, &registryv1.CreateSchemaRequest{FullName: d.schema, Comment: "One run of slipway demo"}); err != nil {
		return err
	}
	_, err = d.access.UpdateGrants(ctx, &registryv1.UpdateGrantsRequest{
		Securable: &registryv1.Securable{Type: registryv1.SecurableType_SECURABLE_TYPE_CATALOG, FullName: d.catalog},
		Changes: []*registryv1.GrantChange{{Principal: "everyone-in-demo", Add: []registryv1.Privilege{
			registryv1.Privilege_PRIVILEGE_USE_CATALOG, registryv1.Privilege_PRIVILEGE_USE_SCHEMA,
		}}},
	})
	if err != nil {
		return err
	}
	d.print.line("catalog %s, schema %s, group everyone-in-demo may use them", d.catalog, d.schema)
	return nil
}

func (d *demo) registerModel(ctx context.Context) error {
	if _, err := d.models.CreateModel(ctx, &registryv1.CreateModelRequest{FullName: d.model, Comment: "A very small language model"}); err != nil {
		return err
	}
	made, err := d.models.CreateModelVersion(ctx, &registryv1.CreateModelVersionRequest{Model: d.model, Format: "gguf", Source: "file:" + filepath.Base(d.Model)})
	if err != nil {
		return err
	}
	version := made.GetModelVersion().GetVersion()
	sum, size, err := d.upload(ctx, version)
	if err != nil {
		return err
	}
	ready, err := d.models.FinalizeModelVersion(ctx, &registryv1.FinalizeModelVersionRequest{
		Model: d.model, Version: version,
		ExpectedFiles: []*registryv1.ArtifactFile{{Path: filepath.Base(d.Model), SizeBytes: size, Sha256: sum}},
	})
	if err != nil {
		return err
	}
	if s := ready.GetModelVersion().GetStatus(); s != registryv1.ModelVersionStatus_MODEL_VERSION_STATUS_READY {
		return untrue("the finalized version is %s", s)
	}
	if _, err := d.models.SetModelAlias(ctx, &registryv1.SetModelAliasRequest{Model: d.model, Alias: "champion", Version: version}); err != nil {
		return err
	}
	d.report.ModelVersion = fmt.Sprintf("models:/%s/%d", d.model, version)
	p := ready.GetModelVersion().GetProperties()
	d.print.line("%s (%s, %s parameters, %d bytes, sha256 %s…) is @champion", d.report.ModelVersion, p["architecture"], p["parameters"], size, sum[:12])
	return nil
}

// upload streams the file with its hash and length, which the registry checks.
func (d *demo) upload(ctx context.Context, version int64) (sum string, size int64, err error) {
	f, err := os.Open(d.Model)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		return "", 0, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", 0, err
	}
	sum = hex.EncodeToString(h.Sum(nil))
	target := "/api/slipway/v1/models/" + url.PathEscape(d.model) + "/versions/" + strconv.FormatInt(version, 10) + "/artifacts/" + url.PathEscape(filepath.Base(d.Model))
	answer, err := d.rest.DoHeader(ctx, http.MethodPut, target, http.Header{"Content-Type": {"application/octet-stream"}, "X-Slipway-Sha256": {sum}}, size, f)
	if err != nil {
		return "", 0, err
	}
	return sum, size, answer.Body.Close()
}

func (d *demo) createPrompts(ctx context.Context) error {
	if _, err := d.prompts.CreatePrompt(ctx, &registryv1.CreatePromptRequest{FullName: d.prompt, Comment: "How the question is put"}); err != nil {
		return err
	}
	for _, file := range []struct{ name, content string }{{"answer.txt", promptText}, {"answer.yaml", promptYAML}} {
		got, err := d.prompts.ImportPromptVersion(ctx, &registryv1.ImportPromptVersionRequest{Prompt: d.prompt, FileName: file.name, Content: []byte(file.content)})
		if err != nil {
			return err
		}
		v := got.GetPromptVersion()
		d.print.line("prompts:/%s/%d from %s, variables %v", d.prompt, v.GetVersion(), file.name, v.GetVariables())
	}
	return nil
}

// config is the endpoint's configuration with the share of the first prompt version.
func (d *demo) config(share int32) *servingv1.EndpointConfig {
	entity := func(name string, version int) *servingv1.ServedEntity {
		return &servingv1.ServedEntity{Name: name, Entity: &servingv1.ServedEntity_Prompt{Prompt: &servingv1.PromptEntity{
			Prompt:  fmt.Sprintf("prompts:/%s/%d", d.prompt, version),
			Backend: &servingv1.PromptEntity_Model{Model: &servingv1.ModelEntity{Model: "models:/" + d.model + "@champion", ContextLength: 512}},
		}}}
	}
	return &servingv1.EndpointConfig{
		ServedEntities: []*servingv1.ServedEntity{entity(first, 1), entity(second, 2)},
		Routes: []*servingv1.TrafficRoute{
			{ServedEntity: first, TrafficPercentage: share}, {ServedEntity: second, TrafficPercentage: 100 - share},
		},
	}
}

func (d *demo) deploy(ctx context.Context) error {
	start := time.Now()
	if _, err := d.endpoints.CreateEndpoint(ctx, &servingv1.CreateEndpointRequest{Name: d.endpoint, Description: "Made by slipway demo", Config: d.config(90)}); err != nil {
		return err
	}
	d.report.Endpoint = d.endpoint
	if err := d.awaitUpdate(ctx); err != nil {
		return err
	}
	d.print.line("endpoint %s is READY after %s: %s 90 %%, %s 10 %%", d.endpoint, time.Since(start).Round(10*time.Millisecond), first, second)
	return nil
}

// awaitUpdate polls until nothing is pending.
func (d *demo) awaitUpdate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, deployTimeout)
	defer cancel()
	for {
		got, err := d.endpoints.GetEndpoint(ctx, &servingv1.GetEndpointRequest{Name: d.endpoint})
		if err != nil {
			return err
		}
		e := got.GetEndpoint()
		switch {
		case e.GetConfigUpdate() == servingv1.ConfigUpdate_CONFIG_UPDATE_FAILED:
			return untrue("the update failed: %s", e.GetUpdateMessage())
		case e.GetReady() == servingv1.Readiness_READINESS_READY && e.GetPendingConfig() == nil:
			return nil
		}
		select {
		case <-ctx.Done():
			return untrue("endpoint %s is not READY after %s", d.endpoint, deployTimeout)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// grantApplication makes the application's account and shows that a grant, not a token, opens the endpoint.
func (d *demo) grantApplication(ctx context.Context) error {
	_, err := d.principals.PutPrincipal(ctx, &gatewayv1.PutPrincipalRequest{
		Name: application + "-" + d.endpoint, Kind: gatewayv1.PrincipalKind_PRINCIPAL_KIND_SERVICE_ACCOUNT,
		Groups: []string{"everyone-in-demo"}, RequestsPerMinute: -1,
	})
	if err != nil {
		return err
	}
	token, err := d.principals.CreateToken(ctx, &gatewayv1.CreateTokenRequest{
		Principal: application + "-" + d.endpoint, Comment: "slipway demo", Scopes: []string{"inference"}, Lifetime: durationpb.New(time.Hour),
	})
	if err != nil {
		return err
	}
	d.app = config.Secret(token.GetSecret())
	before := d.ask(ctx, d.http, request{question: d.questions.everyday[0], user: "nobody"})
	if before.status != http.StatusForbidden && before.status != http.StatusNotFound {
		return untrue("without a grant the application got status %d", before.status)
	}
	_, err = d.access.UpdateGrants(ctx, &registryv1.UpdateGrantsRequest{
		Securable: &registryv1.Securable{Type: registryv1.SecurableType_SECURABLE_TYPE_ENDPOINT, FullName: d.endpoint},
		Changes:   []*registryv1.GrantChange{{Principal: application + "-" + d.endpoint, Add: []registryv1.Privilege{registryv1.Privilege_PRIVILEGE_EXECUTE}}},
	})
	if err != nil {
		return err
	}
	start := time.Now()
	for {
		after := d.ask(ctx, d.http, request{question: d.questions.everyday[0], user: "nobody"})
		if after.status == http.StatusOK {
			break
		}
		if time.Since(start) > 5*time.Second {
			return untrue("5 s after the grant the application still gets status %d: %s", after.status, after.text)
		}
	}
	// The application's token opens models, not the registry.
	_, err = registryv1.NewModelServiceClient(restconn.New(d.URL, d.app, d.http)).GetModel(ctx, &registryv1.GetModelRequest{FullName: d.model})
	if !fault.Is(err, fault.PermissionDenied) && !fault.Is(err, fault.NotFound) {
		return untrue("a token for inference read the registry (error %v)", err)
	}
	d.print.line("%s: %d without a grant, 200 with EXECUTE (seen after %s)", application, before.status, time.Since(start).Round(time.Millisecond))
	return nil
}
