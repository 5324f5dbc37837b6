package api

import (
	"context"

	gatewayv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gateway/v1"
	"github.com/slipway-ai/slipway/services/gateway/internal/flow"
)

// RequestLogService serves the counts of the request log.
type RequestLogService struct {
	gatewayv1.UnimplementedRequestLogServiceServer
	Log flow.RequestLog
}

// GetRequestLogStatus implements gatewayv1.RequestLogServiceServer.
func (s *RequestLogService) GetRequestLogStatus(ctx context.Context, _ *gatewayv1.GetRequestLogStatusRequest) (*gatewayv1.GetRequestLogStatusResponse, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	st, err := flow.RequestLogStatus(who, s.Log)
	if err != nil {
		return nil, err
	}
	//nolint:gosec // counts of requests stay far below 2^63
	return &gatewayv1.GetRequestLogStatusResponse{
		SourceId: st.Source, Epoch: int64(st.Epoch), Admitted: int64(st.Admitted), Logged: int64(st.Logged), Acknowledged: int64(st.Acked),
		InFlight: int64(st.Open), Pending: int64(st.Logged - st.Acked), Refused: int64(st.Refused), DiskBytes: st.Bytes,
	}, nil
}
