package api

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/page"
	"github.com/slipway-ai/slipway/services/monitor/internal/flow"
	"github.com/slipway-ai/slipway/services/monitor/internal/inference"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

// InferenceService is slipway.monitor.v1.InferenceService over the verbs on the
// inference table.
type InferenceService struct {
	monitorv1.UnimplementedInferenceServiceServer
	Flow *flow.Inferences
}

// QueryInferences implements the RPC.
func (s *InferenceService) QueryInferences(ctx context.Context, req *monitorv1.QueryInferencesRequest) (*monitorv1.QueryInferencesResponse, error) {
	limit, err := page.Size(req.GetPageSize(), defaultPage, largestPage)
	if err != nil {
		return nil, err
	}
	var after *inference.Cursor
	if req.GetPageToken() != "" {
		after = &inference.Cursor{}
		if err := page.Decode(req.GetPageToken(), after); err != nil {
			return nil, err
		}
	}
	found, err := s.Flow.QueryInferences(ctx, inference.Filter{
		Endpoint: req.GetEndpoint(), From: instantFrom(req.GetStartTime()), To: instantFrom(req.GetEndTime()), StatusCode: int64(req.GetStatusCode()),
		ServedEntity: req.GetServedEntity(), Requester: req.GetRequester(), ClientRequestID: req.GetClientRequestId(),
	}, after, limit, !req.GetOmitBodies())
	if err != nil {
		return nil, err
	}
	out := &monitorv1.QueryInferencesResponse{FilesRead: int64(found.FilesRead), FilesPruned: int64(found.FilesPruned)}
	for _, r := range found.Records {
		out.Inferences = append(out.Inferences, recordTo(r))
	}
	if found.Next != nil {
		out.NextPageToken = page.Encode(found.Next)
	}
	return out, nil
}

// GetInference implements the RPC.
func (s *InferenceService) GetInference(ctx context.Context, req *monitorv1.GetInferenceRequest) (*monitorv1.GetInferenceResponse, error) {
	r, err := s.Flow.GetInference(ctx, req.GetRequestId())
	if err != nil {
		return nil, err
	}
	return &monitorv1.GetInferenceResponse{Inference: recordTo(r)}, nil
}

// GetLogAudit implements the RPC.
func (s *InferenceService) GetLogAudit(ctx context.Context, req *monitorv1.GetLogAuditRequest) (*monitorv1.GetLogAuditResponse, error) {
	a, err := s.Flow.AuditLog(ctx, req.GetVerify())
	if err != nil {
		return nil, err
	}
	out := &monitorv1.GetLogAuditResponse{
		TableUri: a.TableURI, TableVersion: a.Version, Files: int64(a.Files), Rows: a.Rows, SizeBytes: a.Bytes, LastCommitTime: instantTo(a.LastCommit),
	}
	for _, x := range a.Sources {
		out.Sources = append(out.Sources, &monitorv1.SourceAudit{
			SourceId: x.SourceID, Epoch: x.Epoch, AckedSeq: x.AckedSeq, Rows: x.Rows, DistinctRequestIds: x.Distinct,
		})
	}
	return out, nil
}
