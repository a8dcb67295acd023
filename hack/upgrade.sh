#!/usr/bin/env bash
# hack/upgrade.sh REVISION: builds Groundlink of that revision, and lets it and the present one take turns on one installation,
# under a random load (tests/order/upgrade.rs). Leaves nothing but target/upgrade.
set -euo pipefail
cd "$(dirname "$0")/.."
from=${1:-$(git describe --tags --abbrev=0 2>/dev/null || true)}
[ -n "$from" ] || {
  echo "upgrade: there is no tag yet; name the other build: make upgrade FROM=<revision>" >&2
  exit 2
}
commit=$(git rev-parse --verify --quiet "$from^{commit}") || {
  echo "upgrade: $from is no revision of this repository" >&2
  exit 2
}
source=target/upgrade/source
mkdir -p target/upgrade
rm -rf "$source"
mkdir "$source"
git archive "$commit" | tar -x -C "$source"
echo "upgrade: building $from (a few minutes the first time)"
CARGO_TARGET_DIR=$PWD/target/upgrade/build cargo build --locked --quiet --manifest-path "$source/Cargo.toml" --bin groundlink
GROUNDLINK_TEST_OTHER_BUILD=$PWD/target/upgrade/build/debug/groundlink \
  cargo test --locked --test suites order::upgrade -- --ignored --nocapture
