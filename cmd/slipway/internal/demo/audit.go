package demo

import (
	"context"
	"time"

	gatewayv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gateway/v1"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"
)

// Audit is the conservation of requests: what was admitted is in the table or still on its way, each once.
type Audit struct {
	Admitted int64 `json:"admitted"`
	Logged   int64 `json:"logged"`
	Pending  int64 `json:"pending"`
	Lost     int64 `json:"lost"`
	Doubled  int64 `json:"doubled"`
	Own      int   `json:"own_calls"`
}

// settle waits until everything that was admitted is durable in the inference table.
func (d *demo) settle(ctx context.Context) (*gatewayv1.GetRequestLogStatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for {
		s, err := d.requestLog.GetRequestLogStatus(ctx, &gatewayv1.GetRequestLogStatusRequest{})
		if err != nil {
			return nil, err
		}
		if s.GetPending() == 0 && s.GetInFlight() == 0 {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return nil, untrue("%d records are still pending after %s", s.GetPending(), settleTimeout)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d *demo) audit(ctx context.Context) error {
	log, err := d.settle(ctx)
	if err != nil {
		return err
	}
	table, err := d.inferences.GetLogAudit(ctx, &monitorv1.GetLogAuditRequest{Verify: true})
	if err != nil {
		return err
	}
	var rows, distinct int64
	for _, s := range table.GetSources() {
		if s.GetSourceId() == log.GetSourceId() && s.GetEpoch() == log.GetEpoch() {
			rows, distinct = s.GetRows(), s.GetDistinctRequestIds()
		}
	}
	a := Audit{
		Admitted: log.GetAdmitted(), Logged: rows, Pending: log.GetPending() + log.GetInFlight(),
		Doubled: rows - distinct, Own: len(d.answers),
	}
	a.Lost = a.Admitted - distinct - a.Pending
	d.report.Audit, d.report.Table = a, table.GetTableUri()
	d.print.line("admitted = logged + pending: %d = %d + %d, lost %d, doubled %d", a.Admitted, a.Logged, a.Pending, a.Lost, a.Doubled)
	d.print.line("Delta table %s, version %d, %d files, %d rows", table.GetTableUri(), table.GetTableVersion(), table.GetFiles(), table.GetRows())
	if a.Lost != 0 || a.Doubled != 0 || a.Admitted != a.Logged+a.Pending {
		return untrue("the log does not add up")
	}
	return d.findOwn(ctx)
}

// findOwn looks for every answer that the demo received: in the table exactly once.
func (d *demo) findOwn(ctx context.Context) error {
	seen := map[string]int{}
	for token := ""; ; {
		page, err := d.inferences.QueryInferences(ctx, &monitorv1.QueryInferencesRequest{Endpoint: d.endpoint, OmitBodies: true, PageSize: 1000, PageToken: token})
		if err != nil {
			return err
		}
		for _, r := range page.GetInferences() {
			seen[r.GetRequestId()]++
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	for _, a := range d.answers {
		if n := seen[a.id]; n != 1 {
			return untrue("request %s is in the table %d times", a.id, n)
		}
	}
	d.print.line("each of the %d answers received is in the table exactly once", len(d.answers))
	return nil
}

// leave takes down what costs memory; data, table and monitor stay for a look around.
func (d *demo) leave(ctx context.Context) error {
	if d.Keep {
		d.print.line("endpoint %s goes on serving (--keep)", d.endpoint)
		return nil
	}
	if _, err := d.endpoints.DeleteEndpoint(ctx, &servingv1.DeleteEndpointRequest{Name: d.endpoint}); err != nil {
		return err
	}
	if _, err := d.models.UpdateModel(ctx, &registryv1.UpdateModelRequest{FullName: d.model, SetTags: map[string]string{"demo": "done"}}); err != nil {
		return err
	}
	d.print.line("endpoint %s deleted; model, prompts, inference table and monitor stay", d.endpoint)
	return nil
}
