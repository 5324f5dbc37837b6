// Package api puts the registry's verbs on the wire: it turns messages of slipway.registry.v1 into calls of package flow,
// and what comes back into messages. It decides nothing. Errors pass through as they are; pkg/rpc makes statuses of them.
package api

import (
	"google.golang.org/grpc"

	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/registry/internal/flow"
)

// Verbs is what the services call.
type Verbs struct {
	Tree    flow.Tree
	Lines   flow.Lines
	Models  flow.Models
	Prompts flow.Prompts
	Grants  flow.Grants
	Lineage flow.Lineage
	Events  flow.Events
}

// Register puts all services of the registry on a server.
func Register(s grpc.ServiceRegistrar, v Verbs) {
	registryv1.RegisterCatalogServiceServer(s, catalogs{v: v})
	registryv1.RegisterModelServiceServer(s, models{v: v})
	registryv1.RegisterArtifactServiceServer(s, artifacts{v: v})
	registryv1.RegisterPromptServiceServer(s, prompts{v: v})
	registryv1.RegisterAccessServiceServer(s, access{v: v})
	registryv1.RegisterLineageServiceServer(s, lineage{v: v})
	registryv1.RegisterEventServiceServer(s, events{v: v})
}
