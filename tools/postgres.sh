#!/usr/bin/env bash
# Makes sure that PostgreSQL's server binaries are on this machine; tests and the mesh start private clusters with them.
set -euo pipefail
have() { command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
have && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends postgresql >/dev/null
fi
have || { echo "PostgreSQL's server binaries (initdb, postgres) are missing: install the package 'postgresql' (13 or newer)." >&2; exit 1; }
