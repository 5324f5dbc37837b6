package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"

	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"

	"github.com/slipway-ai/slipway/pkg/fault"
)

func (s *session) endpoints() *cobra.Command {
	return noun("endpoint", "Serving endpoints", s.endpointDeploy(), s.endpointTraffic(), s.endpointList(), s.endpointGet(), s.endpointCancel(), s.endpointDelete())
}

func (s *session) endpointDeploy() *cobra.Command {
	var (
		entities []string
		file     string
		wait     time.Duration
	)
	cmd := &cobra.Command{
		Use:   "deploy NAME",
		Short: "Create an endpoint, or give it a new configuration, and wait until it serves",
		Long: `Create an endpoint or update its configuration. Entities are given as NAME=REFERENCE[:SHARE], where REFERENCE is

  models:/c.s.m/3   models:/c.s.m@alias            a registered model
  prompts:/c.s.p@alias+models:/c.s.m@alias         a prompt bound to a model
  external:PROVIDER/MODEL                          a provider's model

and SHARE is whole percent; with one entity it is 100. Or give the whole configuration as a YAML file with --file, in the
words of the API. The old configuration serves until the new one is loaded and probed.`,
		Example: "  slipway endpoint deploy demo --entity main=models:/main.demo.storyteller@champion\n" +
			"  slipway endpoint deploy demo --entity a=models:/main.demo.storyteller/1:90 --entity b=models:/main.demo.storyteller/2:10",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := configOf(entities, file)
			if err != nil {
				return err
			}
			conn, err := s.dial()
			if err != nil {
				return err
			}
			client := servingv1.NewEndpointServiceClient(conn)
			_, err = client.CreateEndpoint(cmd.Context(), &servingv1.CreateEndpointRequest{Name: args[0], Config: config})
			if fault.Is(err, fault.AlreadyExists) {
				_, err = client.UpdateEndpointConfig(cmd.Context(), &servingv1.UpdateEndpointConfigRequest{Name: args[0], Config: config})
			}
			if err != nil {
				return err
			}
			return s.await(cmd, client, args[0], wait)
		},
	}
	cmd.Flags().StringArrayVar(&entities, "entity", nil, "a served entity, NAME=REFERENCE[:SHARE]; repeat for more")
	cmd.Flags().StringVar(&file, "file", "", "a YAML file with the configuration")
	cmd.Flags().DurationVar(&wait, "wait", 5*time.Minute, "how long to wait until it serves; 0 returns at once")
	return cmd
}

func configOf(entities []string, file string) (*servingv1.EndpointConfig, error) {
	config := &servingv1.EndpointConfig{}
	if file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var document map[string]any
		if err := yaml.Unmarshal(raw, &document); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		asJSON, err := json.Marshal(document)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if err := protojson.Unmarshal(asJSON, config); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	for _, text := range entities {
		entity, share, err := parseEntity(text)
		if err != nil {
			return nil, err
		}
		config.ServedEntities = append(config.ServedEntities, entity)
		if share >= 0 {
			config.Routes = append(config.Routes, &servingv1.TrafficRoute{ServedEntity: entity.GetName(), TrafficPercentage: share})
		}
	}
	if len(config.GetServedEntities()) == 0 {
		return nil, fmt.Errorf("nothing to serve: give --entity or --file")
	}
	return config, nil
}

// parseEntity reads NAME=REFERENCE[:SHARE]; a share of -1 means none was given.
func parseEntity(text string) (*servingv1.ServedEntity, int32, error) {
	name, reference, ok := strings.Cut(text, "=")
	if !ok {
		return nil, 0, fmt.Errorf("entity %q: want NAME=REFERENCE[:SHARE]", text)
	}
	share := int32(-1)
	if i := strings.LastIndex(reference, ":"); i >= 0 {
		if n, err := strconv.ParseInt(strings.TrimSuffix(reference[i+1:], "%"), 10, 32); err == nil {
			share, reference = int32(n), reference[:i]
		}
	}
	entity := &servingv1.ServedEntity{Name: name}
	prompt, backend, bound := strings.Cut(reference, "+")
	if !bound {
		backend, prompt = reference, ""
	}
	model, external := backendOf(backend)
	switch {
	case model == nil && external == nil:
		return nil, 0, fmt.Errorf("entity %q: %q is neither models:/… nor external:PROVIDER/MODEL", text, backend)
	case bound && model != nil:
		entity.Entity = &servingv1.ServedEntity_Prompt{Prompt: &servingv1.PromptEntity{Prompt: prompt, Backend: &servingv1.PromptEntity_Model{Model: model}}}
	case bound:
		entity.Entity = &servingv1.ServedEntity_Prompt{Prompt: &servingv1.PromptEntity{Prompt: prompt, Backend: &servingv1.PromptEntity_External{External: external}}}
	case model != nil:
		entity.Entity = &servingv1.ServedEntity_Model{Model: model}
	default:
		entity.Entity = &servingv1.ServedEntity_External{External: external}
	}
	return entity, share, nil
}

func backendOf(reference string) (*servingv1.ModelEntity, *servingv1.ExternalEntity) {
	if strings.HasPrefix(reference, "models:/") {
		return &servingv1.ModelEntity{Model: reference}, nil
	}
	if rest, ok := strings.CutPrefix(reference, "external:"); ok {
		if provider, model, ok := strings.Cut(rest, "/"); ok {
			return nil, &servingv1.ExternalEntity{Provider: provider, Model: model}
		}
	}
	return nil, nil
}

func (s *session) endpointTraffic() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:     "traffic NAME ENTITY=SHARE…",
		Short:   "Change only the split; takes effect at once",
		Example: "  slipway endpoint traffic demo a=100 b=0",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := s.dial()
			if err != nil {
				return err
			}
			client := servingv1.NewEndpointServiceClient(conn)
			got, err := client.GetEndpoint(cmd.Context(), &servingv1.GetEndpointRequest{Name: args[0]})
			if err != nil {
				return err
			}
			active := got.GetEndpoint().GetActiveConfig()
			if active == nil {
				return fmt.Errorf("endpoint %s serves nothing yet", args[0])
			}
			config := &servingv1.EndpointConfig{ServedEntities: active.GetServedEntities()}
			for _, arg := range args[1:] {
				name, text, ok := strings.Cut(arg, "=")
				share, err := strconv.ParseInt(strings.TrimSuffix(text, "%"), 10, 32)
				if !ok || err != nil {
					return fmt.Errorf("%q: want ENTITY=SHARE in whole percent", arg)
				}
				config.Routes = append(config.Routes, &servingv1.TrafficRoute{ServedEntity: name, TrafficPercentage: int32(share)})
			}
			_, err = client.UpdateEndpointConfig(cmd.Context(), &servingv1.UpdateEndpointConfigRequest{Name: args[0], Config: config, ExpectedRevision: active.GetRevision()})
			if err != nil {
				return err
			}
			return s.await(cmd, client, args[0], wait)
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", time.Minute, "how long to wait until it is in force; 0 returns at once")
	return cmd
}

// await polls until nothing is pending and shows the endpoint.
func (s *session) await(cmd *cobra.Command, client servingv1.EndpointServiceClient, name string, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), max(wait, time.Second))
	defer cancel()
	for {
		got, err := client.GetEndpoint(ctx, &servingv1.GetEndpointRequest{Name: name})
		if err != nil {
			return err
		}
		e := got.GetEndpoint()
		if e.GetConfigUpdate() == servingv1.ConfigUpdate_CONFIG_UPDATE_FAILED {
			return fmt.Errorf("the update failed: %s", e.GetUpdateMessage())
		}
		if wait == 0 || e.GetPendingConfig() == nil && e.GetReady() == servingv1.Readiness_READINESS_READY {
			return s.show(cmd, e, func(t *table) { drawEndpoint(t, e) })
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("endpoint %s is still updating after %s; `slipway endpoint get %s` shows how far it is", name, wait, name)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func drawEndpoint(t *table, e *servingv1.Endpoint) {
	t.row("endpoint", e.GetName())
	t.row("ready", short(e.GetReady().String(), "READINESS_"))
	t.row("update", short(e.GetConfigUpdate().String(), "CONFIG_UPDATE_"), e.GetUpdateMessage())
	for _, c := range []struct {
		name   string
		config *servingv1.EndpointConfig
	}{{"active", e.GetActiveConfig()}, {"pending", e.GetPendingConfig()}} {
		if c.config == nil {
			continue
		}
		share := map[string]int32{}
		for _, r := range c.config.GetRoutes() {
			share[r.GetServedEntity()] = r.GetTrafficPercentage()
		}
		t.row(c.name, fmt.Sprintf("revision %d", c.config.GetRevision()))
		for _, state := range c.config.GetStates() {
			what := strings.TrimSpace(state.GetResolvedPrompt() + " " + state.GetResolvedModel())
			t.row("  "+state.GetServedEntity(), fmt.Sprintf("%d %%", share[state.GetServedEntity()]), short(state.GetDeployment().String(), "DEPLOYMENT_"), what, state.GetMessage())
		}
	}
}

func (s *session) endpointList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List endpoints", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(s, cmd, servingv1.NewEndpointServiceClient, servingv1.EndpointServiceClient.ListEndpoints, &servingv1.ListEndpointsRequest{PageSize: 1000},
				func(t *table, r *servingv1.ListEndpointsResponse) {
					t.row("NAME", "READY", "UPDATE", "ENTITIES", "OWNER", "UPDATED")
					for _, e := range r.GetEndpoints() {
						t.row(e.GetName(), short(e.GetReady().String(), "READINESS_"), short(e.GetConfigUpdate().String(), "CONFIG_UPDATE_"), len(e.GetActiveConfig().GetServedEntities()), e.GetOwner(), when(e.GetUpdateTime()))
					}
				})
		},
	}
}

func (s *session) endpointGet() *cobra.Command {
	return &cobra.Command{
		Use: "get NAME", Short: "Show an endpoint", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, servingv1.NewEndpointServiceClient, servingv1.EndpointServiceClient.GetEndpoint, &servingv1.GetEndpointRequest{Name: args[0]},
				func(t *table, r *servingv1.GetEndpointResponse) { drawEndpoint(t, r.GetEndpoint()) })
		},
	}
}

func (s *session) endpointCancel() *cobra.Command {
	return &cobra.Command{
		Use: "cancel NAME", Short: "Give a pending update up", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, servingv1.NewEndpointServiceClient, servingv1.EndpointServiceClient.CancelEndpointUpdate, &servingv1.CancelEndpointUpdateRequest{Name: args[0]},
				func(t *table, r *servingv1.CancelEndpointUpdateResponse) { drawEndpoint(t, r.GetEndpoint()) })
		},
	}
}

func (s *session) endpointDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Stop routing, drain and remove an endpoint", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, servingv1.NewEndpointServiceClient, servingv1.EndpointServiceClient.DeleteEndpoint, &servingv1.DeleteEndpointRequest{Name: args[0]},
				func(t *table, _ *servingv1.DeleteEndpointResponse) { t.row("deleted endpoint", args[0]) })
		},
	}
}
