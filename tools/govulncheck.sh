#!/usr/bin/env bash
# Runs govulncheck over the given modules. Without a reachable vulnerability data base it says so and passes: an offline
# build machine must not turn red for being offline. A found vulnerability fails.
set -euo pipefail
db=${GOVULNDB:-https://vuln.go.dev}
if ! curl -fsS --max-time 10 -o /dev/null "$db/index/modules.json"; then
  echo "govulncheck: the vulnerability data base $db cannot be reached from here; not checked."
  exit 0
fi
for m in "$@"; do (cd "$m" && GOWORK=off govulncheck ./...); done
