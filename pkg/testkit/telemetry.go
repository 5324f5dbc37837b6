package testkit

import (
	"context"
	"testing"
	"time"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/telemetry"
)

// Telemetry is a service's telemetry whose spans, all of them, go to tr within moments, and whose log lines go to the
// test's output.
func Telemetry(t testing.TB, tr *Traces, service string) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.Setup(t.Context(), telemetry.Config{
		Service: service, LogLevel: "debug", LogOutput: t.Output(),
		OTLPEndpoint: tr.Endpoint(), OTLPInsecure: true, SampleRatio: 1, ExportEvery: config.Duration(20 * time.Millisecond),
	})
	if err != nil {
		t.Fatalf("set up telemetry: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		if err := tel.Shutdown(ctx); err != nil {
			t.Errorf("shut down telemetry: %v", err)
		}
	})
	return tel
}
