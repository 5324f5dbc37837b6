package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/structpb"

	gatewayv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gateway/v1"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

func (s *session) inferences() *cobra.Command {
	return noun("inference", "The log of every request", s.inferenceList(), s.inferenceGet(), s.inferenceAudit())
}

func (s *session) inferenceList() *cobra.Command {
	var (
		endpoint, entity string
		status           int32
		limit            int32
		w                span
	)
	cmd := &cobra.Command{
		Use: "list", Short: "List requests, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			window, err := w.window()
			if err != nil {
				return err
			}
			req := &monitorv1.QueryInferencesRequest{
				Endpoint: endpoint, ServedEntity: entity, StatusCode: status, PageSize: limit,
				OmitBodies: s.output == "table", StartTime: window.GetStart(), EndTime: window.GetEnd(),
			}
			return call(s, cmd, monitorv1.NewInferenceServiceClient, monitorv1.InferenceServiceClient.QueryInferences, req,
				func(t *table, r *monitorv1.QueryInferencesResponse) {
					t.row("TIME", "REQUEST", "ENDPOINT", "ENTITY", "STATUS", "MS", "TTFT MS", "IN", "OUT", "LANG", "REQUESTER")
					for _, i := range r.GetInferences() {
						t.row(when(i.GetRequestTime()), i.GetRequestId(), i.GetEndpoint(), i.GetServedEntity(), i.GetStatusCode(), millis(i.GetExecutionDurationUs()), millis(i.GetTtftUs()), i.GetInputTokens(), i.GetOutputTokens(), i.GetLang(), i.GetRequester())
					}
				})
		},
	}
	cmd.Flags().StringVar(&endpoint, "endpoint", "", "only this endpoint's")
	cmd.Flags().StringVar(&entity, "entity", "", "only this served entity's")
	cmd.Flags().Int32Var(&status, "status", 0, "only this HTTP status")
	cmd.Flags().Int32Var(&limit, "limit", 20, "at most this many")
	w.flags(cmd)
	return cmd
}

func millis(us int64) string { return strconv.FormatFloat(float64(us)/1000, 'f', 1, 64) }

func (s *session) inferenceGet() *cobra.Command {
	return &cobra.Command{
		Use: "get REQUEST", Short: "Show one request with its bodies", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, monitorv1.NewInferenceServiceClient, monitorv1.InferenceServiceClient.GetInference, &monitorv1.GetInferenceRequest{RequestId: args[0]},
				func(t *table, r *monitorv1.GetInferenceResponse) {
					i := r.GetInference()
					t.row("time", when(i.GetRequestTime()))
					t.row("endpoint", i.GetEndpoint(), i.GetServedEntity())
					t.row("model", i.GetModelVersion(), i.GetPromptVersion())
					t.row("requester", i.GetRequester())
					t.row("status", i.GetStatusCode(), i.GetErrorReason())
					t.row("duration", millis(i.GetExecutionDurationUs())+" ms", "first token "+millis(i.GetTtftUs())+" ms")
					t.row("tokens", fmt.Sprintf("%d in, %d out", i.GetInputTokens(), i.GetOutputTokens()), i.GetFinishReason())
					t.row("trace", i.GetTraceId())
					t.row("request", string(i.GetRequest()))
					t.row("answer", i.GetResponseText())
				})
		},
	}
}

func (s *session) inferenceAudit() *cobra.Command {
	return &cobra.Command{
		Use: "audit", Short: "Prove that nothing was lost: admitted = logged + pending", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := s.dial()
			if err != nil {
				return err
			}
			log, err := gatewayv1.NewRequestLogServiceClient(conn).GetRequestLogStatus(cmd.Context(), &gatewayv1.GetRequestLogStatusRequest{})
			if err != nil {
				return err
			}
			audit, err := monitorv1.NewInferenceServiceClient(conn).GetLogAudit(cmd.Context(), &monitorv1.GetLogAuditRequest{Verify: true})
			if err != nil {
				return err
			}
			return s.show(cmd, audit, func(t *table) {
				t.row("admitted", log.GetAdmitted())
				t.row("in flight", log.GetInFlight())
				t.row("pending", log.GetPending())
				for _, source := range audit.GetSources() {
					t.row("source "+source.GetSourceId(), fmt.Sprintf("%d rows, %d distinct, durable to %d", source.GetRows(), source.GetDistinctRequestIds(), source.GetAckedSeq()))
				}
				t.row("table", audit.GetTableUri())
				t.row("version", audit.GetTableVersion(), fmt.Sprintf("%d files, %d rows, %d bytes", audit.GetFiles(), audit.GetRows(), audit.GetSizeBytes()))
			})
		},
	}
}

func (s *session) feedbacks() *cobra.Command {
	var endpoint, rationale string
	give := &cobra.Command{
		Use: "give REQUEST NAME VALUE", Short: "Judge an answer; VALUE is true, false, a number or text", Args: cobra.ExactArgs(3),
		Example: "  slipway feedback give 0199… thumbs true --endpoint demo",
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(s, cmd, monitorv1.NewFeedbackServiceClient, monitorv1.FeedbackServiceClient.CreateFeedback,
				&monitorv1.CreateFeedbackRequest{RequestId: args[0], Endpoint: endpoint, Name: args[1], Value: value(args[2]), Rationale: rationale, Source: monitorv1.FeedbackSource_FEEDBACK_SOURCE_HUMAN},
				func(t *table, r *monitorv1.CreateFeedbackResponse) {
					t.row("recorded", r.GetFeedback().GetFeedbackId())
				})
		},
	}
	give.Flags().StringVar(&endpoint, "endpoint", "", "the endpoint that answered")
	give.Flags().StringVar(&rationale, "rationale", "", "why")
	_ = give.MarkFlagRequired("endpoint") // the flag exists: it is defined above
	var of string
	list := &cobra.Command{
		Use: "list", Short: "List feedback, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(s, cmd, monitorv1.NewFeedbackServiceClient, monitorv1.FeedbackServiceClient.ListFeedback, &monitorv1.ListFeedbackRequest{Endpoint: of},
				func(t *table, r *monitorv1.ListFeedbackResponse) {
					t.row("TIME", "REQUEST", "NAME", "VALUE", "SOURCE", "BY", "WHY")
					for _, f := range r.GetFeedback() {
						t.row(when(f.GetCreateTime()), f.GetRequestId(), f.GetName(), f.GetValue().AsInterface(), short(f.GetSource().String(), "FEEDBACK_SOURCE_"), f.GetCreator(), f.GetRationale())
					}
				})
		},
	}
	list.Flags().StringVar(&of, "endpoint", "", "only this endpoint's")
	return noun("feedback", "What people say of answers", give, list)
}

func value(text string) *structpb.Value {
	if b, err := strconv.ParseBool(text); err == nil {
		return structpb.NewBoolValue(b)
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return structpb.NewNumberValue(f)
	}
	return structpb.NewStringValue(text)
}

func (s *session) devices() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List the node's devices and what is loaded", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(s, cmd, gpuruntimev1.NewRuntimeServiceClient, gpuruntimev1.RuntimeServiceClient.ListDevices, &gpuruntimev1.ListDevicesRequest{},
				func(t *table, r *gpuruntimev1.ListDevicesResponse) {
					t.row("ID", "KIND", "NAME", "CORES", "MEMORY", "FREE", "RESERVED")
					for _, d := range r.GetDevices() {
						t.row(d.GetId(), short(d.GetKind().String(), "DEVICE_KIND_"), d.GetName(), d.GetCores(), mebi(d.GetMemoryTotalBytes()), mebi(d.GetMemoryFreeBytes()), mebi(d.GetMemoryReservedBytes()))
					}
					for _, n := range r.GetNotes() {
						t.row("note: " + n)
					}
				})
		},
	}
	instances := &cobra.Command{
		Use: "instances", Short: "List loaded models with predicted and observed memory", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(s, cmd, gpuruntimev1.NewRuntimeServiceClient, gpuruntimev1.RuntimeServiceClient.ListInstances, &gpuruntimev1.ListInstancesRequest{},
				func(t *table, r *gpuruntimev1.ListInstancesResponse) {
					t.row("INSTANCE", "MODEL", "STATE", "DEVICE", "PREDICTED", "OBSERVED", "ACTIVE", "QUEUED", "RESTARTS", "ENGINE")
					for _, i := range r.GetInstances() {
						t.row(i.GetInstanceId(), fmt.Sprintf("%s/%d", i.GetSpec().GetModel(), i.GetSpec().GetVersion()), short(i.GetState().String(), "INSTANCE_STATE_"), i.GetDeviceId(), mebi(i.GetPredicted().GetTotalBytes()), mebi(i.GetObservedMemoryBytes()), i.GetActiveRequests(), i.GetQueuedRequests(), i.GetRestarts(), i.GetEngine())
					}
				})
		},
	}
	return noun("device", "Devices and the models loaded on them", list, instances)
}

func mebi(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
