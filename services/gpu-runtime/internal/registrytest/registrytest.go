// Package registrytest is a registry for this service's tests: real files over real gRPC, with the faults a test asks for.
// It answers exactly the two RPCs the service uses, as the contract of slipway.registry.v1 says.
package registrytest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/link"
	"github.com/slipway-ai/slipway/pkg/rpc"
	"github.com/slipway-ai/slipway/pkg/telemetry"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
)

// Registry holds versions of one model.
type Registry struct {
	registryv1.UnimplementedModelServiceServer
	registryv1.UnimplementedArtifactServiceServer

	Downloads atomic.Int32 // streams begun
	Sent      atomic.Int64 // bytes

	mu       sync.Mutex
	versions map[int64]*registryv1.ModelVersion
	content  map[int64][]byte
	gate     chan struct{} // nil: nothing waits
}

// Model is the name of the one model.
const Model = "main.test.tiny"

// Start serves a registry at inproc:registry until the test ends.
func Start(t testing.TB, network *link.Network) *Registry {
	t.Helper()
	r := &Registry{versions: map[int64]*registryv1.ModelVersion{}, content: map[int64][]byte{}}
	l, creds, err := network.Listen("inproc:registry", link.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := rpc.NewServer(rpc.ServerOptions{Service: "registry", Telemetry: telemetry.Discard(), Creds: creds, TrustPeers: true})
	if err != nil {
		t.Fatal(err)
	}
	registryv1.RegisterModelServiceServer(s, r)
	registryv1.RegisterArtifactServiceServer(s, r)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return r
}

// Add registers a version with one file, whose bytes are content, and returns the version.
func (r *Registry) Add(name string, content []byte) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := int64(len(r.versions) + 1)
	sum := sha256.Sum256(content)
	r.versions[n] = &registryv1.ModelVersion{
		Model: Model, Version: n, Status: registryv1.ModelVersionStatus_MODEL_VERSION_STATUS_READY, Format: "gguf",
		Files: []*registryv1.ArtifactFile{{Path: "README.md", SizeBytes: 1, Sha256: "00"}, {Path: name, SizeBytes: int64(len(content)), Sha256: hex.EncodeToString(sum[:])}},
	}
	r.content[n] = content
	return n
}

// AddFile registers the file at path.
func (r *Registry) AddFile(t testing.TB, path string) int64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return r.Add(filepath.Base(path), b)
}

// Change alters a version, against the rules of a registry.
func (r *Registry) Change(version int64, change func(v *registryv1.ModelVersion, content *[]byte)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.content[version]
	change(r.versions[version], &b)
	r.content[version] = b
}

// Hold makes every download stop after its first chunks until release is called, which is called at the latest when the
// test ends.
func (r *Registry) Hold(t testing.TB) (release func()) {
	t.Helper()
	gate := make(chan struct{})
	r.mu.Lock()
	r.gate = gate
	r.mu.Unlock()
	once := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(once)
	return once
}

// GetModelVersion answers services of the platform only, as EXECUTE would.
func (r *Registry) GetModelVersion(ctx context.Context, req *registryv1.GetModelVersionRequest) (*registryv1.GetModelVersionResponse, error) {
	if p, _ := auth.From(ctx); p.Name != "gpu-runtime" || p.Kind != auth.Internal {
		return nil, fault.New("registrytest", fault.PermissionDenied, "%s may not read models", p.Name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.versions[req.GetVersion()]
	if !ok || req.GetModel() != Model {
		return nil, fault.New("registrytest", fault.NotFound, "no version %d of %s", req.GetVersion(), req.GetModel())
	}
	return &registryv1.GetModelVersionResponse{ModelVersion: v}, nil
}

const (
	chunk = 64 << 10
	front = 4 * chunk // what a held download sends
)

// DownloadArtifact sends a version's file.
func (r *Registry) DownloadArtifact(req *registryv1.DownloadArtifactRequest, out grpc.ServerStreamingServer[registryv1.DownloadArtifactResponse]) error {
	r.mu.Lock()
	v, b, gate := r.versions[req.GetVersion()], r.content[req.GetVersion()], r.gate
	r.mu.Unlock()
	r.Downloads.Add(1)
	var file *registryv1.ArtifactFile
	for _, f := range v.GetFiles() {
		if f.GetPath() == req.GetPath() {
			file = f
		}
	}
	if file == nil {
		return fault.New("registrytest", fault.NotFound, "no file %s", req.GetPath())
	}
	if err := out.Send(&registryv1.DownloadArtifactResponse{Part: &registryv1.DownloadArtifactResponse_File{File: file}}); err != nil {
		return err
	}
	for at := min(int(req.GetOffset()), len(b)); at < len(b); at += chunk {
		if gate != nil && at >= front {
			select {
			case <-gate:
			case <-out.Context().Done():
				return out.Context().Err()
			}
		}
		part := b[at:min(at+chunk, len(b))]
		if err := out.Send(&registryv1.DownloadArtifactResponse{Part: &registryv1.DownloadArtifactResponse_Chunk{Chunk: part}}); err != nil {
			return err
		}
		r.Sent.Add(int64(len(part)))
	}
	return nil
}
