#!/usr/bin/env bash
# Builds release archives: slipway and the five services for linux/amd64 and linux/arm64, with SHA256SUMS.
set -euo pipefail
version=${1:?usage: dist.sh VERSION}
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
rm -rf dist && mkdir dist
for arch in amd64 arm64; do
  name=slipway-$version-linux-$arch
  out=dist/$name
  mkdir -p "$out"
  export GOOS=linux GOARCH=$arch CGO_ENABLED=0
  flags=(-trimpath -ldflags "-s -w -X github.com/slipway-ai/slipway/pkg/boot.version=$version")
  go build "${flags[@]}" -o "$out/slipway" ./cmd/slipway
  for s in registry serving gateway monitor gpu-runtime; do
    go build "${flags[@]}" -o "$out/slipway-$s" "./services/$s/cmd/$s"
  done
  cp LICENSE README.md "$out/" && mkdir "$out/models" && cp models/tiny2-q8_0.gguf "$out/models/"
  tar -C dist --sort=name --owner=0 --group=0 --numeric-owner -czf "dist/$name.tar.gz" "$name"
  rm -r "$out"
done
(cd dist && sha256sum ./*.tar.gz > SHA256SUMS && cat SHA256SUMS)
