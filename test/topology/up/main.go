// Command up starts a mesh on this machine in the foreground: five processes over TCP with mutual TLS on PostgreSQL, or,
// with --single, one process on PostgreSQL. The databases are a private server's, gone at the end, unless
// SLIPWAY_MESH_POSTGRES names a server of yours with the databases registry, serving, gateway, monitor and gpu-runtime.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/slipway-ai/slipway/pkg/testkit/pgcluster"
	"github.com/slipway-ai/slipway/test/topology"
)

func main() {
	single := flag.Bool("single", false, "one process instead of five")
	http := flag.String("http", "127.0.0.1:8080", "address of the HTTP front")
	grpc := flag.String("grpc", "127.0.0.1:9090", "address of the public gRPC port")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, !*single, *http, *grpc); err != nil {
		fmt.Fprintln(os.Stderr, "up:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, mesh bool, http, grpc string) error {
	database, done, err := databases(ctx)
	if err != nil {
		return err
	}
	defer done()
	dir, err := os.MkdirTemp("", "slipway-mesh-")
	if err != nil {
		return err
	}
	p, err := topology.Start(ctx, topology.Options{Dir: dir, Mesh: mesh, Postgres: database, HTTP: http, GRPC: grpc})
	if err != nil {
		return err
	}
	what := "five processes over TCP with mutual TLS"
	if !mesh {
		what = "one process"
	}
	fmt.Printf(`
Slipway is ready: %s, every store on PostgreSQL.

  HTTP %s   gRPC %s   data and logs %s

In another shell:

  export SLIPWAY_URL=%[2]s SLIPWAY_DATA=%[5]s
  bin/slipway demo

`, what, p.URL, p.GRPC, dir, filepath.Dir(p.TokenFile()))
	<-ctx.Done()
	fmt.Println("draining …")
	return p.Close()
}

// databases are one per service, in a private server or in the one that the environment names.
func databases(ctx context.Context) (of func(service string) string, done func(), err error) {
	base, done := os.Getenv("SLIPWAY_MESH_POSTGRES"), func() {}
	if base == "" {
		cluster, err := pgcluster.Start(ctx)
		if err != nil {
			return nil, nil, err
		}
		base, done = cluster.URL("postgres"), cluster.Stop
		if err := create(ctx, base); err != nil {
			done()
			return nil, nil, err
		}
	}
	server, err := url.Parse(base)
	if err != nil {
		done()
		return nil, nil, errors.New("SLIPWAY_MESH_POSTGRES is not a URL")
	}
	return func(service string) string {
		u := *server
		u.Path = "/" + service
		return u.String()
	}, done, nil
}

func create(ctx context.Context, base string) error {
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, s := range topology.Services {
		if _, err := conn.Exec(ctx, "create database "+pgx.Identifier{s}.Sanitize()); err != nil {
			return err
		}
	}
	return nil
}
