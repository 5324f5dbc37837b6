package topology

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// planSingle is `slipway up`.
func (p *Platform) planSingle(o Options) error {
	args := []string{"up", "--data", o.Dir, "--http", strings.TrimPrefix(p.URL, "http://"), "--grpc", p.GRPC}
	for _, key := range slices.Sorted(maps.Keys(o.Set)) {
		args = append(args, "--set", key+"="+o.Set[key])
	}
	if o.Postgres != nil {
		for _, s := range Services {
			args = append(args, "--set", section(s)+".store.url="+o.Postgres(s))
		}
	}
	for _, kv := range telemetrySettings(o) {
		args = append(args, "--set", kv)
	}
	p.add("slipway", p.CLI, args...)
	return nil
}

// planMesh is five thin mains, each with a certificate of its own and the addresses of the others. One file holds what
// they share; what is a service's own comes by --set.
func (p *Platform) planMesh(ctx context.Context, o Options, bin string, ports []string) error {
	certs := filepath.Join(o.Dir, "certs")
	if _, err := os.Stat(certs); errors.Is(err, os.ErrNotExist) {
		if out, err := exec.CommandContext(ctx, p.CLI, "certs", "--out", certs).CombinedOutput(); err != nil {
			return fmt.Errorf("issue certificates: %w\n%s", err, out)
		}
	}
	var peers strings.Builder
	for i, s := range Services {
		fmt.Fprintf(&peers, "  %s: %s\n", s, ports[i+2])
	}
	file := filepath.Join(o.Dir, "slipway.yaml")
	if err := os.WriteFile(file, []byte("peers:\n"+peers.String()), 0o600); err != nil {
		return err
	}
	for i, s := range Services {
		listen := ports[i+2]
		args := []string{
			"--config", file, "--listen", listen, "--set", "data=" + filepath.Join(o.Dir, s),
			"--set", "tls.ca_file=" + filepath.Join(certs, "ca.crt"), "--set", "tls.cert_file=" + filepath.Join(certs, s+".crt"), "--set", "tls.key_file=" + filepath.Join(certs, s+".key"),
		}
		if s == "gateway" {
			args = append(args, "--set", "gateway.http="+strings.TrimPrefix(p.URL, "http://"), "--set", "gateway.grpc="+p.GRPC)
		}
		if o.Postgres != nil {
			args = append(args, "--set", section(s)+".store.url="+o.Postgres(s))
		}
		for _, key := range slices.Sorted(maps.Keys(o.Set)) {
			if strings.HasPrefix(key, section(s)+".") {
				args = append(args, "--set", key+"="+o.Set[key])
			}
		}
		for _, kv := range telemetrySettings(o) {
			args = append(args, "--set", kv)
		}
		p.add(s, filepath.Join(bin, "slipway-"+s), args...)
	}
	return nil
}

// section is a service's key in the configuration.
func section(service string) string { return strings.ReplaceAll(service, "-", "_") }

func telemetrySettings(o Options) []string {
	if o.OTLP == "" {
		return nil
	}
	return []string{"telemetry.otlp_endpoint=" + o.OTLP, "telemetry.otlp_insecure=true", "telemetry.sample_ratio=1"}
}
