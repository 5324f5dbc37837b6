#!/usr/bin/env bash
# Starts a platform of its own, deploys the small model, and runs the official clients against it: openai (Python, Node)
# and deltalake (delta-rs). Versions are pinned in python/requirements.txt and node/package-lock.json.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
slipway=$root/bin/slipway
work=$(mktemp -d "${TMPDIR:-/tmp}/slipway-conformance.XXXXXX")
pid=
cleanup() {
  status=$?
  if [ -n "$pid" ] && kill "$pid" 2>/dev/null; then wait "$pid" || true; fi
  if [ $status -ne 0 ]; then echo "--- platform log (last lines) ---" >&2; tail -n 40 "$work/platform.log" >&2 || true; fi
  rm -rf "$work"
  exit $status
}
trap cleanup EXIT

venv=$root/.build/conformance-venv
if ! cmp -s "$here/python/requirements.txt" "$venv/.requirements"; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/python/requirements.txt"
  cp "$here/python/requirements.txt" "$venv/.requirements"
fi
npm ci --prefix "$here/node" --ignore-scripts --no-audit --no-fund --loglevel=error

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
http=127.0.0.1:$(port)
export SLIPWAY_DATA=$work/data SLIPWAY_URL=http://$http
"$slipway" up --data "$work/data" --http "$http" --grpc "127.0.0.1:$(port)" >"$work/platform.log" 2>&1 &
pid=$!
for _ in $(seq 300); do
  curl -fsS -o /dev/null "$SLIPWAY_URL/readyz" 2>/dev/null && break
  kill -0 "$pid" 2>/dev/null || { echo "the platform ended before it was ready" >&2; exit 1; }
  sleep 0.1 # polling another process's start; bounded by the loop
done
curl -fsS -o /dev/null "$SLIPWAY_URL/readyz"
eval "$("$slipway" env)"

export CONFORMANCE_ENDPOINT=conformance
"$slipway" catalog create main
"$slipway" schema create main.conformance
"$slipway" model register main.conformance.storyteller "$root/models/tiny2-q8_0.gguf" --alias champion
"$slipway" endpoint deploy "$CONFORMANCE_ENDPOINT" --entity main=models:/main.conformance.storyteller@champion

"$venv/bin/python" -m pytest -q -p no:cacheprovider "$here/python/test_openai.py"
npm test --prefix "$here/node" --silent
"$venv/bin/python" -m pytest -q -p no:cacheprovider "$here/python/test_delta.py"
"$slipway" inference audit
