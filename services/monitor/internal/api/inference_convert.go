package api

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-ai/slipway/services/monitor/internal/inference"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

func recordFrom(r *monitorv1.InferenceRecord) *inference.Record {
	out := &inference.Record{
		RequestID: r.GetRequestId(), ClientRequestID: r.GetClientRequestId(), TraceID: r.GetTraceId(), SpanID: r.GetSpanId(),
		Endpoint: r.GetEndpoint(), ServedEntity: r.GetServedEntity(), ModelVersion: r.GetModelVersion(), PromptVersion: r.GetPromptVersion(),
		Requester: r.GetRequester(), Task: r.GetTask(), TrafficBucket: int64(r.GetTrafficBucket()), ConfigRevision: r.GetConfigRevision(),
		SessionID: r.GetSessionId(), Stream: r.GetStream(), StatusCode: int64(r.GetStatusCode()), ErrorReason: r.GetErrorReason(),
		ExecutionDuration: r.GetExecutionDurationUs(), TTFT: r.GetTtftUs(), Queue: r.GetQueueUs(),
		InputTokens: r.GetInputTokens(), OutputTokens: r.GetOutputTokens(), UsageEstimated: r.GetUsageEstimated(), FinishReason: r.GetFinishReason(),
		Request: string(r.GetRequest()), Response: string(r.GetResponse()), ResponseText: r.GetResponseText(),
		RequestBytes: r.GetRequestBytes(), ResponseBytes: r.GetResponseBytes(), LoggingErrorCodes: r.GetLoggingErrorCodes(),
	}
	if t := r.GetRequestTime(); t.IsValid() {
		out.RequestTime = t.AsTime()
	}
	return out
}

func recordTo(r *inference.Record) *monitorv1.InferenceRecord {
	return &monitorv1.InferenceRecord{
		RequestId: r.RequestID, ClientRequestId: r.ClientRequestID, TraceId: r.TraceID, SpanId: r.SpanID,
		RequestTime: timestamppb.New(r.RequestTime), Endpoint: r.Endpoint, ServedEntity: r.ServedEntity, ModelVersion: r.ModelVersion,
		PromptVersion: r.PromptVersion, Requester: r.Requester, Task: r.Task, TrafficBucket: int32(r.TrafficBucket), ConfigRevision: r.ConfigRevision,
		SessionId: r.SessionID, Stream: r.Stream, StatusCode: int32(r.StatusCode), ErrorReason: r.ErrorReason,
		ExecutionDurationUs: r.ExecutionDuration, TtftUs: r.TTFT, QueueUs: r.Queue,
		InputTokens: r.InputTokens, OutputTokens: r.OutputTokens, UsageEstimated: r.UsageEstimated, FinishReason: r.FinishReason,
		Request: []byte(r.Request), Response: []byte(r.Response), ResponseText: r.ResponseText,
		RequestBytes: r.RequestBytes, ResponseBytes: r.ResponseBytes, LoggingErrorCodes: r.LoggingErrorCodes,
		Lang: r.Lang, PromptChars: r.PromptChars, ResponseChars: r.ResponseChars, WalSource: r.Source, WalSeq: r.Seq,
	}
}

// instantFrom is the zero time for an absent timestamp.
func instantFrom(t *timestamppb.Timestamp) time.Time {
	if !t.IsValid() {
		return time.Time{}
	}
	return t.AsTime()
}

// instantTo is the inverse.
func instantTo(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
