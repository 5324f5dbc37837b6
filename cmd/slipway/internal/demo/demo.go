// Package demo runs the main job of the platform from end to end against a running one, as its users would: it registers
// a real model, deploys two prompt versions behind one endpoint, sends it real questions, records feedback, watches the
// questions drift, sees the alert, rolls the split back under load and proves from the log that nothing was lost. Every
// step checks what it claims; the first claim that is not true ends the demo with an error.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	gatewayv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/gateway/v1"
	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	servingv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/serving/v1"

	"github.com/slipway-ai/slipway/cmd/slipway/internal/restconn"
	"github.com/slipway-ai/slipway/pkg/config"
)

// Options say where the platform is and how much to ask of it.
type Options struct {
	URL   string        // the platform's HTTP address
	Token config.Secret // an admin's token
	Model string        // a GGUF file

	Clients int // concurrent callers; default 16
	Asked   int // questions in each of the three rounds; default 240
	Keep    bool

	Out io.Writer // progress and tables for people
}

// Report is what happened, for programs.
type Report struct {
	Endpoint     string              `json:"endpoint"`
	ModelVersion string              `json:"model_version"`
	Rounds       []Round             `json:"rounds"`
	Feedback     int                 `json:"feedback"`
	Drifted      map[string][]string `json:"drifted_columns"`
	Alert        string              `json:"alert"`
	Webhooks     int                 `json:"webhooks_delivered"`
	Rollback     Rollback            `json:"rollback"`
	Audit        Audit               `json:"audit"`
	Table        string              `json:"table_uri"`
	Seconds      float64             `json:"seconds"`
}

// demo is one run.
type demo struct {
	Options
	print  *printer
	report Report

	catalogs   registryv1.CatalogServiceClient
	models     registryv1.ModelServiceClient
	prompts    registryv1.PromptServiceClient
	access     registryv1.AccessServiceClient
	endpoints  servingv1.EndpointServiceClient
	principals gatewayv1.PrincipalServiceClient
	requestLog gatewayv1.RequestLogServiceClient
	monitors   monitorv1.MonitorServiceClient
	alerts     monitorv1.AlertServiceClient
	feedback   monitorv1.FeedbackServiceClient
	inferences monitorv1.InferenceServiceClient

	rest  *restconn.Conn
	http  *http.Client
	hooks *hookServer

	catalog, schema, model, prompt, endpoint, monitor string

	app       config.Secret // the application's token
	questions questions
	answers   []answer // every answer of every round, for the audit
}

// Run does the whole job. The report is filled as far as the demo came.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.Clients <= 0 {
		o.Clients = 16
	}
	if o.Asked <= 0 {
		o.Asked = 240
	}
	start := time.Now()
	d := newDemo(o)
	defer d.http.CloseIdleConnections()
	hooks, err := listenHooks()
	if err != nil {
		return d.report, err
	}
	d.hooks = hooks
	defer hooks.close()
	d.questions, err = loadQuestions()
	if err != nil {
		return d.report, err
	}
	for _, step := range d.steps() {
		d.print.title(step.title)
		if err := step.run(ctx); err != nil {
			d.print.fail(err)
			return d.report, fmt.Errorf("%s: %w", step.title, err)
		}
	}
	d.report.Seconds = time.Since(start).Seconds()
	d.print.done(d.report)
	return d.report, nil
}

func newDemo(o Options) *demo {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = o.Clients * 2
	client := &http.Client{Transport: transport}
	conn := restconn.New(o.URL, o.Token, client)
	run := runID()
	return &demo{
		Options: o, print: &printer{w: o.Out}, rest: conn, http: client,
		report:     Report{Drifted: map[string][]string{}},
		catalogs:   registryv1.NewCatalogServiceClient(conn),
		models:     registryv1.NewModelServiceClient(conn),
		prompts:    registryv1.NewPromptServiceClient(conn),
		access:     registryv1.NewAccessServiceClient(conn),
		endpoints:  servingv1.NewEndpointServiceClient(conn),
		principals: gatewayv1.NewPrincipalServiceClient(conn),
		requestLog: gatewayv1.NewRequestLogServiceClient(conn),
		monitors:   monitorv1.NewMonitorServiceClient(conn),
		alerts:     monitorv1.NewAlertServiceClient(conn),
		feedback:   monitorv1.NewFeedbackServiceClient(conn),
		inferences: monitorv1.NewInferenceServiceClient(conn),
		catalog:    "demo", schema: "demo.run_" + run, model: "demo.run_" + run + ".storyteller",
		prompt: "demo.run_" + run + ".answer", endpoint: "demo-" + run, monitor: "demo-" + run,
	}
}

type step struct {
	title string
	run   func(context.Context) error
}

// steps is the main job in order.
func (d *demo) steps() []step {
	return []step{
		{"Namespace and grants", d.createNamespace},
		{"Model", d.registerModel},
		{"Prompts", d.createPrompts},
		{"Endpoint, 90/10", d.deploy},
		{"Only who was granted may ask", d.grantApplication},
		{"Baseline: everyday questions", d.askBaseline},
		{"Feedback", d.giveFeedback},
		{"Monitor and baseline", d.watch},
		{"Unchanged questions raise no alarm", d.askUnchanged},
		{"Shifted questions: other languages, longer", d.askShifted},
		{"Alert", d.showAlert},
		{"Roll back to 100/0 under load", d.rollBack},
		{"Audit", d.audit},
		{"Leave", d.leave},
	}
}

// errUntrue marks a claim that the platform did not keep.
var errUntrue = errors.New("not true")

func untrue(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUntrue, fmt.Sprintf(format, args...))
}
