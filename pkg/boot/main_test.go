package boot

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	testv1 "google.golang.org/grpc/interop/grpc_testing"

	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/testkit"
)

// envChild turns the test binary into a thin main.
const envChild = "BOOT_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) == "" {
		os.Exit(m.Run())
	}
	c := newRoot()
	Main("echo", c, func(context.Context, Settings) (Service, error) { return newEcho(), nil })
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "slipway.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestAProgramAnswersQuestionsAboutItself(t *testing.T) {
	t.Parallel()
	shared := file(t, "peers: {gpu-runtime: inproc:x, echo: inproc:y}\ngpu_runtime: {anything: 1}\necho: {greeting: hi, loud: true}\n")
	for name, c := range map[string]struct {
		args     []string
		environ  []string
		code     int
		out, err string
	}{
		"--version":                   {args: []string{"--version"}, out: "echo " + Version()},
		"version":                     {args: []string{"version"}, out: "echo " + Version()},
		"help":                        {args: []string{"--help"}, err: "-config file"},
		"reference":                   {args: []string{"config", "reference"}, out: "| `echo.greeting` | string | `hello` | `SLIPWAY_ECHO_GREETING` | what is said |"},
		"verify":                      {args: []string{"config", "verify"}, out: "configuration is valid"},
		"verify a shared file":        {args: []string{"config", "verify", "--config", shared}, out: "warning: echo.loud wakes the neighbours\nconfiguration is valid"},
		"verify, flags first":         {args: []string{"--config", shared, "config", "verify"}, out: "configuration is valid"},
		"an unknown key":              {args: []string{"config", "verify", "--config", file(t, "echo:\n  greetin: x\n")}, code: 1, err: `:2: unknown key "echo.greetin"; did you mean "echo.greeting"?`},
		"an unknown section":          {args: []string{"config", "verify", "--config", file(t, "registrar: {}\n")}, code: 1, err: `unknown key "registrar"`},
		"an unknown key of --set":     {args: []string{"config", "verify", "--set", "echo.x=1"}, code: 1, err: "flag --set echo.x: unknown key"},
		"a wrong environment":         {args: []string{"config", "verify"}, environ: []string{"SLIPWAY_GRACE=soon"}, code: 1, err: "SLIPWAY_GRACE"},
		"a section that refuses":      {args: []string{"config", "verify"}, environ: []string{"SLIPWAY_ECHO_GREETING="}, code: 1, err: "must not be empty"},
		"a file that is not there":    {args: []string{"--config", "/nowhere.yaml"}, code: 1, err: "does not exist"},
		"an unknown command":          {args: []string{"fly"}, code: 2, err: `unknown command "fly"`},
		"an unknown flag":             {args: []string{"--fly"}, code: 2, err: "-fly"},
		"--set without a value":       {args: []string{"--set", "x"}, code: 2, err: "key=value"},
		"telemetry that cannot be":    {args: []string{"--set", "telemetry.log_level=loud"}, code: 1, err: "telemetry.log_level"},
		"an address that cannot be":   {args: []string{"--listen", "256.0.0.1:1"}, code: 1, err: "cannot listen"},
		"an http address that is bad": {args: []string{"--listen", "inproc:x", "--set", "http=256.0.0.1:1"}, code: 1, err: "cannot listen"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEcho()
			code, out, err := once(t, func(context.Context, Settings) (Service, error) { return e, nil }, c.environ, c.args...)
			require.Equal(t, c.code, code, "%s%s", out, err)
			require.Contains(t, out, c.out)
			require.Contains(t, err, c.err)
			if strings.Contains(c.err, "cannot listen") {
				e.stopped.Wait(t) // what was built is closed
			}
		})
	}
}

func TestAServiceThatCannotBeBuiltOrStartedEndsTheProgram(t *testing.T) {
	t.Parallel()
	code, _, log := once(t, func(context.Context, Settings) (Service, error) { return nil, errors.New("no store") }, nil, "--listen", "inproc:x")
	require.Equal(t, 1, code)
	require.Contains(t, log, "no store")

	e := newEcho()
	e.startErr = errors.New("schema is locked")
	code, _, log = once(t, func(context.Context, Settings) (Service, error) { return e, nil }, nil, "--listen", "inproc:x")
	require.Equal(t, 1, code)
	require.Contains(t, log, "start echo: schema is locked")
	e.stopped.Wait(t)
}

func TestARootWithoutCommonIsAMistake(t *testing.T) {
	t.Parallel()
	p := &program{name: "x", root: &struct{}{}, stdout: io.Discard, stderr: &buffer{}}
	require.Equal(t, 1, p.run(t.Context()))
}

func dial(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	cc, err := link.NewNetwork().Dial(addr, link.TLS{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestAProgramServesAndTellsHowItIs(t *testing.T) {
	t.Parallel()
	e := newEcho()
	close(e.release)
	r := run(t, e)
	cc := dial(t, r.addr)
	_, err := testv1.NewTestServiceClient(cc).UnaryCall(t.Context(), &testv1.SimpleRequest{})
	require.NoError(t, err)
	health, err := healthv1.NewHealthClient(cc).Check(t.Context(), &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, healthv1.HealthCheckResponse_SERVING, health.GetStatus())
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ready", "/metrics": "slipway_rpc_server_handled_total"} {
		status, body := get(t, "http://"+r.http+path)
		require.Equal(t, http.StatusOK, status, path)
		require.Contains(t, body, want)
	}
	require.DirExists(t, e.settings.DataDir)
	e.ready = errors.New("secret reason")
	status, body := get(t, "http://"+r.http+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.NotContains(t, body, "secret")
	r.signals <- syscall.SIGTERM
	require.Equal(t, 0, <-r.code)
	require.Contains(t, r.err.String(), "msg=stopped")
}

func TestASignalLetsRunningCallsFinish(t *testing.T) {
	t.Parallel()
	e := newEcho()
	r := run(t, e)
	answered := make(chan error, 1)
	cc := dial(t, r.addr)
	go func() {
		_, err := testv1.NewTestServiceClient(cc).UnaryCall(context.WithoutCancel(t.Context()), &testv1.SimpleRequest{})
		answered <- err
	}()
	e.entered.Wait(t)
	r.signals <- syscall.SIGTERM
	testkit.Eventually(t, testkit.Patience, func() bool { return strings.Contains(r.err.String(), "draining") }, "the program drains")
	e.stopped.None(t)
	close(e.release)
	require.NoError(t, <-answered)
	require.Equal(t, 0, <-r.code)
	e.stopped.Wait(t)
}

func TestACallThatOutlivesTheGraceIsCutOff(t *testing.T) {
	t.Parallel()
	e := newEcho()
	r := run(t, e, "--set", "grace=50ms")
	answered := make(chan error, 1)
	cc := dial(t, r.addr)
	go func() {
		_, err := testv1.NewTestServiceClient(cc).UnaryCall(context.WithoutCancel(t.Context()), &testv1.SimpleRequest{})
		answered <- err
	}()
	e.entered.Wait(t)
	r.signals <- syscall.SIGTERM
	require.Error(t, <-answered)
	close(e.release)
	<-r.code
	e.stopped.Wait(t)
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	e := newEcho()
	r := run(t, e, "--set", "grace=1h")
	cc := dial(t, r.addr)
	go func() {
		_, _ = testv1.NewTestServiceClient(cc).UnaryCall(context.WithoutCancel(t.Context()), &testv1.SimpleRequest{})
	}()
	e.entered.Wait(t)
	r.signals <- syscall.SIGINT
	r.signals <- syscall.SIGINT
	require.Equal(t, 130, <-r.code)
	e.stopped.None(t)
	close(e.release)
}

func TestARealProcessDrainsOnARealSignal(t *testing.T) {
	t.Parallel()
	child := exec.Command(os.Args[0], "--listen", "127.0.0.1:0", "--set", "telemetry.log_format=json")
	child.Env = append(os.Environ(), envChild+"=1", "SLIPWAY_DATA="+t.TempDir())
	log, err := child.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	lines := bufio.NewScanner(log)
	wait := func(text string) {
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("the program never said %q", text)
	}
	wait(`"msg":"serving"`)
	require.NoError(t, child.Process.Signal(syscall.SIGTERM))
	wait(`"msg":"draining"`)
	wait(`"msg":"stopped"`)
	require.NoError(t, child.Wait())
}

func TestListeningBeyondThisMachineInPlaintextIsWarnedOf(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"0.0.0.0:1": true, ":1": true, "registry:1": true, "127.0.0.1:1": false, "[::1]:1": false, "localhost:1": false, "inproc:x": false, "unix:/x": false,
	} {
		require.Equal(t, want, plaintext(&Common{Listen: addr}), addr)
	}
	require.False(t, plaintext(&Common{Listen: ":1", TLS: link.TLS{CAFile: "x"}}))
}
