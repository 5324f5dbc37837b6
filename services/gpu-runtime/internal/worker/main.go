package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	gpuruntimev1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gpuruntime/v1"
)

// Main is the process when args, the arguments without the program's name, say that it is a worker; otherwise it returns
// false at once. It returns true after an orderly end and exits the process after any other.
func Main(args []string) (handled bool) {
	if len(args) == 0 || args[0] != Argument {
		return false
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	reports := os.NewFile(reportsFD, "reports")
	if err := run(os.Stdin, reports, stop); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// run is the life of a worker: load, report, serve, stop.
func run(stdin io.Reader, reports io.Writer, stop <-chan os.Signal) error {
	var c Config
	if err := json.NewDecoder(stdin).Decode(&c); err != nil {
		return fmt.Errorf("engine worker: no configuration on standard input: %w", err)
	}
	out := &reporter{enc: json.NewEncoder(reports)}
	tel, err := telemetry.Setup(context.Background(), telemetry.Config{Service: "engine-worker", LogLevel: c.LogLevel, LogFormat: "json"})
	if err != nil {
		return out.fail(err)
	}
	e, err := load(c, tel.Log)
	if err != nil {
		return out.fail(err)
	}
	defer e.close()
	lis, creds, err := link.NewNetwork().Listen("unix:"+c.Socket, link.TLS{})
	if err != nil {
		return out.fail(err)
	}
	server, err := rpc.NewServer(rpc.ServerOptions{Service: "engine-worker", Log: tel.Log, Telemetry: tel, Creds: creds, TrustPeers: true, MaxRecvBytes: maxRequest})
	if err != nil {
		return out.fail(err)
	}
	gpuruntimev1.RegisterInferenceServiceServer(server, &inference{engine: e})
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	if err := out.send(Report{Ready: e.ready()}); err != nil {
		return err
	}
	watching := make(chan error, 1)
	go func() { watching <- out.watch(e) }()
	select {
	case <-stop:
		e.close() // ends what runs, as Unavailable, so that every caller hears something
		server.GracefulStop()
		return nil
	case err := <-served:
		return err
	case err := <-e.broken():
		return err
	case err := <-watching: // nobody reads the reports: the parent is gone
		return err
	}
}

// maxRequest is the largest message taken: a prompt that fills a context of a million tokens, or 2048 texts to embed.
const maxRequest = 64 << 20

// fail reports why the worker ends, for the parent, and returns it, for the log.
func (r *reporter) fail(err error) error {
	_ = r.send(Report{Failed: &Failed{Kind: string(fault.KindOf(err)), Reason: fault.Reason(err), Text: fault.Text(err)}})
	return err
}
