#!/usr/bin/env bash
# hack/fuzz.sh [target] [seconds] fuzzes one target, or all in turn, for a minute each by default. Inputs that
# fail are written to fuzz/artifacts/<target>/, inputs that reach new code to fuzz/found/<target>/.
# hack/fuzz.sh minimise [target] shrinks the committed corpus. It keeps every file with a name that a person
# gave. Of the found files, and of those named by their digest, it keeps the smallest that reach the same code.
# Installs a nightly compiler with rustup, and cargo-fuzz into .cache/.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.13.2
targets="expression decoder render kubeconfig"
minimise=false
if [ "${1:-}" = minimise ]; then
  minimise=true
  shift
fi
seconds=${2:-60}
toolchain=${FUZZ_TOOLCHAIN:-nightly}

PATH=$PATH:$PWD/.cache/bin
if ! command -v cargo-fuzz >/dev/null; then
  echo "building cargo-fuzz $version (a few minutes, once)" >&2
  cargo install --quiet --locked --root .cache "cargo-fuzz@$version" >&2
fi
rustup run "$toolchain" rustc --version >/dev/null 2>&1 || rustup toolchain install --profile minimal "$toolchain"

# fuzz TARGET DIRECTORY... -- FLAG...: new inputs go to the first directory.
fuzz() { cargo "+$toolchain" fuzz run "$@" -rss_limit_mb=2048 -max_len=4096; }

for target in ${1:-$targets}; do
  corpus=fuzz/corpus/$target found=fuzz/found/$target
  mkdir -p "$found"
  if $minimise; then
    find "$corpus" -type f -regextype posix-extended -regex '.*/[0-9a-f]{40}' -exec mv -t "$found" {} +
    # Without counters: they would keep a file only because a loop runs more often.
    fuzz "$target" "$corpus" "$found" -- -set_cover_merge=1 -use_counters=0
    find "$corpus" -type f | wc -l | sed "s|^|$corpus: |; s|\$| files|"
  else
    fuzz "$target" "$found" "$corpus" -- -max_total_time="$seconds" -timeout=10 -print_final_stats=1
  fi
done
