// Package topology starts whole platforms from the real binaries, as one process or as five with mutual TLS, on embedded
// stores or on PostgreSQL, so that the same test can run against each. Programs can be killed and started again, which
// in-process doors could not.
package topology

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Options say what kind of platform.
type Options struct {
	Dir      string                      // where data, logs and certificates go; kept when it exists
	Mesh     bool                        // five processes over TCP with mutual TLS instead of one
	Postgres func(service string) string // URL of a service's database; nil uses SQLite
	OTLP     string                      // address of a trace collector; empty exports nothing
	Set      map[string]string           // further settings, dotted keys
	HTTP     string                      // public addresses; empty takes free ports of loopback
	GRPC     string
}

// Platform is a running one.
type Platform struct {
	URL, GRPC string // public addresses: http://host:port and host:port
	Token     string // the admin's
	Dir       string
	CLI       string // path of the slipway binary

	names     []string
	processes map[string]*Process
}

const startLimit = 60 * time.Second

// Start builds the binaries when needed, starts the platform and returns when it is ready. On an error nothing is left.
func Start(ctx context.Context, o Options) (*Platform, error) {
	bin, err := Binaries()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	p := &Platform{Dir: o.Dir, CLI: filepath.Join(bin, "slipway"), processes: map[string]*Process{}}
	ports, err := freePorts(len(Services) + 2)
	if err != nil {
		return nil, err
	}
	p.URL, p.GRPC = "http://"+cmp.Or(o.HTTP, ports[0]), cmp.Or(o.GRPC, ports[1])
	if o.Mesh {
		err = p.planMesh(ctx, o, bin, ports)
	} else {
		err = p.planSingle(o)
	}
	if err != nil {
		return nil, err
	}
	for _, name := range p.names {
		if err := p.processes[name].Start(); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	if err := p.AwaitReady(ctx, startLimit); err != nil {
		err = fmt.Errorf("%w\n%s", err, p.Logs())
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// NewProcess is a program that is not part of a platform, such as a peer in a benchmark. It is not started.
func NewProcess(name, log, path string, args ...string) *Process {
	return &Process{Name: name, path: path, args: args, log: log}
}

func (p *Platform) add(name, path string, args ...string) {
	p.names = append(p.names, name)
	p.processes[name] = NewProcess(name, filepath.Join(p.Dir, name+".log"), path, args...)
	p.processes[name].env = []string{"SLIPWAY_DATA="} // nothing of the caller's platform leaks in
}

// Process is one program of the platform: "slipway" when it is one, else a service's name.
func (p *Platform) Process(name string) *Process {
	if proc, ok := p.processes[name]; ok {
		return proc
	}
	return p.processes["slipway"]
}

// Env is the environment that points slipway and official clients here, as `slipway env` prints it.
func (p *Platform) Env() []string {
	return []string{
		"SLIPWAY_URL=" + p.URL, "SLIPWAY_TOKEN=" + p.Token, "SLIPWAY_DATA=" + p.Dir,
		"OPENAI_BASE_URL=" + p.URL + "/v1", "OPENAI_API_KEY=" + p.Token,
	}
}

// Slipway runs the command line against the platform and returns what it printed.
func (p *Platform) Slipway(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.CLI, args...)
	cmd.Env = append(os.Environ(), p.Env()...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("slipway %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// NewToken makes a token for a principal that exists.
func (p *Platform) NewToken(ctx context.Context, principal, scope string) (string, error) {
	out, err := p.Slipway(ctx, "token", "create", "--principal", principal, "--scope", scope, "--output", "json")
	if err != nil {
		return "", err
	}
	var made struct{ Secret string }
	return made.Secret, json.Unmarshal([]byte(out), &made)
}

// AwaitReady returns when the gateway says it is ready and the admin's token is there, or when a program ends.
func (p *Platform) AwaitReady(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	token := p.TokenFile()
	return poll(ctx, "the platform is not ready", func() (bool, error) {
		for _, name := range p.names {
			if !p.processes[name].Running() {
				return false, fmt.Errorf("%s ended", name)
			}
		}
		status, _, refused := p.get(ctx, "/readyz")
		raw, missing := os.ReadFile(token)
		p.Token = strings.TrimSpace(string(raw))
		return refused == nil && missing == nil && status == http.StatusOK, nil
	})
}

// TokenFile is where the gateway leaves the admin's token.
func (p *Platform) TokenFile() string {
	if _, single := p.processes["slipway"]; single {
		return filepath.Join(p.Dir, "admin.token")
	}
	return filepath.Join(p.Dir, "gateway", "admin.token")
}

// RequestLog is the gateway's count of its log.
type RequestLog struct {
	SourceID     string `json:"sourceId"`
	Epoch        int64  `json:"epoch,string"`
	Admitted     int64  `json:"admitted,string"`
	Logged       int64  `json:"logged,string"`
	Acknowledged int64  `json:"acknowledged,string"`
	InFlight     int64  `json:"inFlight,string"`
	Pending      int64  `json:"pending,string"`
}

// LogAudit is the monitor's count of the table, by reading it.
type LogAudit struct {
	TableURI string `json:"tableUri"`
	Rows     int64  `json:"rows,string"`
	Sources  []struct {
		SourceID string `json:"sourceId"`
		Acked    int64  `json:"ackedSeq,string"`
		Rows     int64  `json:"rows,string"`
		Distinct int64  `json:"distinctRequestIds,string"`
	} `json:"sources"`
}

// GetJSON reads a path of the REST API as admin.
func (p *Platform) GetJSON(ctx context.Context, path string, into any) error {
	status, body, err := p.get(ctx, path)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("GET %s: status %d: %s", path, status, body)
	}
	return json.Unmarshal(body, into)
}

// AwaitSettled returns when everything admitted is durable in the inference table.
func (p *Platform) AwaitSettled(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var last RequestLog
	err := poll(ctx, "the log did not settle", func() (bool, error) {
		last = RequestLog{}
		away := p.GetJSON(ctx, "/api/slipway/v1/request-log", &last)
		return away == nil && last.Pending == 0 && last.InFlight == 0, nil
	})
	if err != nil {
		return fmt.Errorf("%w: %+v", err, last)
	}
	return nil
}

// Logs is the end of every program's log, for a failing test.
func (p *Platform) Logs() string {
	var b strings.Builder
	for _, name := range p.names {
		log := p.processes[name].Log()
		fmt.Fprintf(&b, "--- %s ---\n%s\n", name, log[max(0, len(log)-6000):])
	}
	return b.String()
}

// Close stops the programs, the gateway first.
func (p *Platform) Close() error {
	var errs []error
	for i := len(p.names) - 1; i >= 0; i-- {
		errs = append(errs, p.processes[p.names[i]].Stop())
	}
	return errors.Join(errs...)
}

func (p *Platform) get(ctx context.Context, path string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+path, nil)
	if err != nil {
		return 0, nil, err
	}
	if p.Token != "" {
		req.Header.Set("Authorization", "Bearer "+p.Token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

// AwaitTCP returns when something listens.
func AwaitTCP(addr string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return poll(ctx, "nothing listens at "+addr, func() (bool, error) {
		c, refused := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if refused == nil {
			_ = c.Close() // it answered, that is all
		}
		return refused == nil, nil
	})
}

// poll asks until yes, an error, or the end of ctx. Other processes give no signal that one could wait for.
func poll(ctx context.Context, otherwise string, ask func() (bool, error)) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if yes, err := ask(); err != nil || yes {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", otherwise, ctx.Err())
		case <-ticker.C:
		}
	}
}

// freePorts are addresses on loopback that nothing listens at. They lie below the range from which the kernel takes the
// ports of outgoing connections: a program that was killed must find its port free when it comes back.
func freePorts(n int) ([]string, error) {
	const lowest, highest, tries = 20000, 32000, 1000
	var out []string
	for range tries {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(highest-lowest)))
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }() // all are held until all are known
		if out = append(out, l.Addr().String()); len(out) == n {
			return out, nil
		}
	}
	return nil, fmt.Errorf("no %d free ports between %d and %d", n, lowest, highest)
}
