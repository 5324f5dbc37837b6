// Package peer is how serving speaks to the other services: their wire types go no further than this package. Calls are
// made as whoever the context says; serving acts as itself where the caller of this package says so.
package peer

import (
	"context"
	"regexp"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// Registry is the registry.
type Registry struct {
	models  registryv1.ModelServiceClient
	prompts registryv1.PromptServiceClient
	access  registryv1.AccessServiceClient
	lineage registryv1.LineageServiceClient
	events  registryv1.EventServiceClient
}

// NewRegistry speaks over a connection that lives as long as the result.
func NewRegistry(conn grpc.ClientConnInterface) *Registry {
	return &Registry{
		models: registryv1.NewModelServiceClient(conn), prompts: registryv1.NewPromptServiceClient(conn),
		access: registryv1.NewAccessServiceClient(conn), lineage: registryv1.NewLineageServiceClient(conn),
		events: registryv1.NewEventServiceClient(conn),
	}
}

// servable are the formats that a runtime can load.
var servable = map[string]bool{"gguf": true}

// Model is what a reference to a model means now. The registry refuses a caller without EXECUTE; a version that cannot be
// served is FailedPrecondition.
func (r *Registry) Model(ctx context.Context, ref domain.Reference) (domain.ModelVersion, error) {
	const op = "peer.Model"
	got, err := r.models.ResolveModelVersion(ctx, &registryv1.ResolveModelVersionRequest{Uri: ref.String()})
	if err != nil {
		return domain.ModelVersion{}, err
	}
	v := got.GetModelVersion()
	if s := v.GetStatus(); s != registryv1.ModelVersionStatus_MODEL_VERSION_STATUS_READY {
		return domain.ModelVersion{}, fault.New(op, fault.FailedPrecondition, "%s is version %d of the model, which is not READY", ref, v.GetVersion()).WithReason("MODEL_NOT_READY")
	}
	if !servable[v.GetFormat()] {
		return domain.ModelVersion{}, fault.New(op, fault.FailedPrecondition, "%s is a model of format %q; only gguf models can be served", ref, v.GetFormat()).WithReason("MODEL_FORMAT")
	}
	return domain.ModelVersion{Name: v.GetModel(), Version: v.GetVersion()}, nil
}

// Prompt is what a reference to a prompt means now, with its template.
func (r *Registry) Prompt(ctx context.Context, ref domain.Reference) (domain.PromptVersion, domain.Template, error) {
	got, err := r.prompts.ResolvePromptVersion(ctx, &registryv1.ResolvePromptVersionRequest{Uri: ref.String()})
	if err != nil {
		return domain.PromptVersion{}, domain.Template{}, err
	}
	v := got.GetPromptVersion()
	t := templateOf(v)
	return domain.PromptVersion{Name: v.GetPrompt(), Version: v.GetVersion(), Digest: t.Digest()}, t, nil
}

func templateOf(v *registryv1.PromptVersion) domain.Template {
	t := domain.Template{Text: v.GetTemplate(), Parameters: v.GetParameters(), Syntax: domain.SingleBrace}
	double := doubleBraces.MatchString(v.GetTemplate())
	for _, m := range v.GetMessages() {
		t.Messages = append(t.Messages, domain.Message{Role: m.GetRole(), Content: m.GetContent()})
		double = double || doubleBraces.MatchString(m.GetContent())
	}
	switch v.GetSyntax() {
	case registryv1.TemplateSyntax_TEMPLATE_SYNTAX_DOUBLE_BRACE:
		t.Syntax = domain.DoubleBrace
	case registryv1.TemplateSyntax_TEMPLATE_SYNTAX_SINGLE_BRACE:
	default: // found from the text, as the registry does it
		if double {
			t.Syntax = domain.DoubleBrace
		}
	}
	return t
}

var doubleBraces = regexp.MustCompile(`\{\{\s*[\p{L}_][\p{L}\p{M}\p{Nd}_]*\s*\}\}`)

// Lineage records what an endpoint is made of.
func (r *Registry) Lineage(ctx context.Context, edges []domain.Edge) error {
	req := &registryv1.AddLineageRequest{}
	for _, e := range edges {
		req.Edges = append(req.Edges, &registryv1.LineageEdge{Upstream: e.Upstream, Downstream: e.Downstream, Relation: e.Relation})
	}
	_, err := r.lineage.AddLineage(ctx, req)
	return err
}
