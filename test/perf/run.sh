#!/usr/bin/env bash
# make bench: every number is a ratio beside its peer or its budget, from one run on this machine.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
export CGO_ENABLED=0
mkdir -p .build
echo "== start-up and idle memory"
go build -o .build/bench-startup ./test/perf/startup && .build/bench-startup
echo "== gateway beside a bare reverse proxy"
go build -o .build/bench-gateway ./test/perf/gateway && .build/bench-gateway "$@"
echo "== drift, profile, Delta, log (go test -bench)"
(cd services/monitor && go test -run '^$' -bench . -benchtime 1x ./internal/drift ./internal/profile ./internal/delta)
(cd services/gateway && go test -run '^$' -bench . -benchtime 1s ./internal/wal ./internal/dialect)
