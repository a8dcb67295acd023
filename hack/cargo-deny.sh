#!/usr/bin/env bash
# Prints the path of cargo-deny: from PATH, or built once into .cache/.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)/.cache
version=0.20.2
if command -v cargo-deny >/dev/null; then
  command -v cargo-deny
  exit
fi
if [ ! -x "$root/bin/cargo-deny" ]; then
  echo "building cargo-deny $version (about five minutes, once)" >&2
  cargo install --quiet --locked --root "$root" "cargo-deny@$version" >&2
fi
echo "$root/bin/cargo-deny"
