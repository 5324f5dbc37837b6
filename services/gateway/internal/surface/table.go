package surface

import (
	"context"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"

	gatewayv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gateway/v1"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
)

// The owners' names among the peers.
const (
	registry   = "registry"
	serving    = "serving"
	monitor    = "monitor"
	gpuRuntime = "gpu-runtime"
)

// rest makes a registration from what the generator wrote: a client, and the rules on it.
func rest[C any](client func(grpc.ClientConnInterface) C, register func(context.Context, *runtime.ServeMux, C) error) func(context.Context, *runtime.ServeMux, grpc.ClientConnInterface) error {
	return func(ctx context.Context, mux *runtime.ServeMux, conn grpc.ClientConnInterface) error {
		return register(ctx, mux, client(conn))
	}
}

// table is THE TABLE.
func table() []Service {
	return []Service{
		{
			Owner: Self, Desc: &gatewayv1.PrincipalService_ServiceDesc,
			REST: rest(gatewayv1.NewPrincipalServiceClient, gatewayv1.RegisterPrincipalServiceHandlerClient),
			Methods: map[string]Need{
				"PutPrincipal": Change, "GetPrincipal": Look, "ListPrincipals": Look,
				"CreateToken": Change, "ListTokens": Look, "RevokeToken": Change,
			},
		},
		{
			Owner: Self, Desc: &gatewayv1.ProviderService_ServiceDesc,
			REST:    rest(gatewayv1.NewProviderServiceClient, gatewayv1.RegisterProviderServiceHandlerClient),
			Methods: map[string]Need{"PutProvider": Change, "GetProvider": Look, "ListProviders": Look, "DeleteProvider": Change},
		},
		{
			Owner: Self, Desc: &gatewayv1.RequestLogService_ServiceDesc,
			REST:    rest(gatewayv1.NewRequestLogServiceClient, gatewayv1.RegisterRequestLogServiceHandlerClient),
			Methods: map[string]Need{"GetRequestLogStatus": Look},
		},
		{
			Owner: registry, Desc: &registryv1.CatalogService_ServiceDesc,
			REST: rest(registryv1.NewCatalogServiceClient, registryv1.RegisterCatalogServiceHandlerClient),
			Methods: map[string]Need{
				"CreateCatalog": Change, "GetCatalog": Look, "ListCatalogs": Look, "DeleteCatalog": Change,
				"CreateSchema": Change, "GetSchema": Look, "ListSchemas": Look, "DeleteSchema": Change,
			},
		},
		{
			Owner: registry, Desc: &registryv1.ModelService_ServiceDesc,
			REST: rest(registryv1.NewModelServiceClient, registryv1.RegisterModelServiceHandlerClient),
			Methods: map[string]Need{
				"CreateModel": Change, "GetModel": Look, "ListModels": Look, "UpdateModel": Change, "DeleteModel": Change,
				"CreateModelVersion": Change, "FinalizeModelVersion": Change, "GetModelVersion": Look, "ListModelVersions": Look,
				"ResolveModelVersion": Look, "SetModelAlias": Change, "DeleteModelAlias": Change, "SetModelVersionTags": Change,
			},
		},
		{
			Owner: registry, Desc: &registryv1.PromptService_ServiceDesc,
			REST: rest(registryv1.NewPromptServiceClient, registryv1.RegisterPromptServiceHandlerClient),
			Methods: map[string]Need{
				"CreatePrompt": Change, "GetPrompt": Look, "ListPrompts": Look, "DeletePrompt": Change,
				"CreatePromptVersion": Change, "ImportPromptVersion": Change, "GetPromptVersion": Look, "ListPromptVersions": Look,
				"ResolvePromptVersion": Look, "SetPromptAlias": Change, "DeletePromptAlias": Change,
			},
		},
		{
			Owner: registry, Desc: &registryv1.AccessService_ServiceDesc,
			REST:    rest(registryv1.NewAccessServiceClient, registryv1.RegisterAccessServiceHandlerClient),
			Methods: map[string]Need{"UpdateGrants": Change, "ListGrants": Look, "CheckAccess": Look},
		},
		{
			Owner: registry, Desc: &registryv1.LineageService_ServiceDesc,
			REST:    rest(registryv1.NewLineageServiceClient, registryv1.RegisterLineageServiceHandlerClient),
			Methods: map[string]Need{"AddLineage": Change, "GetLineage": Look},
		},
		{
			// Its REST is hand-written (package rest): bytes, not JSON.
			Owner: registry, Desc: &registryv1.ArtifactService_ServiceDesc,
			Methods: map[string]Need{"UploadArtifact": Change, "DownloadArtifact": Look},
		},
		{
			Owner: registry, Desc: &registryv1.EventService_ServiceDesc,
			Methods: map[string]Need{"WatchEvents": Look},
		},
		{
			Owner: serving, Desc: &servingv1.EndpointService_ServiceDesc,
			REST: rest(servingv1.NewEndpointServiceClient, servingv1.RegisterEndpointServiceHandlerClient),
			Methods: map[string]Need{
				"CreateEndpoint": Change, "GetEndpoint": Look, "ListEndpoints": Look, "UpdateEndpointConfig": Change,
				"CancelEndpointUpdate": Change, "DeleteEndpoint": Change, "ListEndpointRevisions": Look,
			},
		},
		{
			Owner: serving, Desc: &servingv1.PromptExecutionService_ServiceDesc,
			REST:    rest(servingv1.NewPromptExecutionServiceClient, servingv1.RegisterPromptExecutionServiceHandlerClient),
			Methods: map[string]Need{"RenderPrompt": Change},
		},
		{
			Owner: monitor, Desc: &monitorv1.MonitorService_ServiceDesc,
			REST: rest(monitorv1.NewMonitorServiceClient, monitorv1.RegisterMonitorServiceHandlerClient),
			Methods: map[string]Need{
				"CreateMonitor": Change, "GetMonitor": Look, "ListMonitors": Look, "UpdateMonitor": Change, "DeleteMonitor": Change,
				"SetBaseline": Change, "RefreshMonitor": Change, "ListProfileMetrics": Look, "ListDriftMetrics": Look,
			},
		},
		{
			Owner: monitor, Desc: &monitorv1.InferenceService_ServiceDesc,
			REST:    rest(monitorv1.NewInferenceServiceClient, monitorv1.RegisterInferenceServiceHandlerClient),
			Methods: map[string]Need{"QueryInferences": Look, "GetInference": Look, "GetLogAudit": Look},
		},
		{
			Owner: monitor, Desc: &monitorv1.FeedbackService_ServiceDesc,
			REST:    rest(monitorv1.NewFeedbackServiceClient, monitorv1.RegisterFeedbackServiceHandlerClient),
			Methods: map[string]Need{"CreateFeedback": Change, "ListFeedback": Look},
		},
		{
			Owner: monitor, Desc: &monitorv1.AlertService_ServiceDesc,
			REST:    rest(monitorv1.NewAlertServiceClient, monitorv1.RegisterAlertServiceHandlerClient),
			Methods: map[string]Need{"ListAlerts": Look},
		},
		{
			// Loading and unloading past serving is for whoever repairs a node.
			Owner: gpuRuntime, Desc: &gpuruntimev1.RuntimeService_ServiceDesc,
			REST: rest(gpuruntimev1.NewRuntimeServiceClient, gpuruntimev1.RegisterRuntimeServiceHandlerClient),
			Methods: map[string]Need{
				"ListDevices": Look, "EstimateModel": Change, "GetInstance": Look, "ListInstances": Look,
				"LoadModel": Administer, "UnloadModel": Administer,
			},
		},
		{
			Owner: gpuRuntime, Desc: &gpuruntimev1.WatchService_ServiceDesc,
			Methods: map[string]Need{"WatchInstances": Administer},
		},
	}
}
