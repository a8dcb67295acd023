#!/usr/bin/env bash
# Everything that can be tested on this machine; `make test` and CI call it. Installs and builds what it needs.
# Goes on after a failure, says loudly what was skipped and why, and ends with the totals of its runners.
set -uo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0 skipped=0
notes=()
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}

heading() { printf '\n=== %s (%s s since the start)\n' "$1" "$SECONDS"; }

# step NAME COMMAND...: one pass or one failure.
step() {
  heading "$1"
  local name=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    notes+=("FAILED: $name")
  fi
}

# suite NAME COMMAND...: counts what its runner counts (cargo test, or a line "...: N passed, N failed").
suite() {
  heading "$1"
  local name=$1 status
  shift
  "$@" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  local counts
  counts=$(awk '
    /^test result:/ { for (i = 1; i <= NF; i++) { if ($i ~ /^passed/) p += $(i-1); if ($i ~ /^failed/) f += $(i-1); if ($i ~ /^ignored/) s += $(i-1) } }
    /^[a-z]+: [0-9]+ passed, [0-9]+ failed/ { p += $2; f += $4 }
    /^SKIPPED/ { s += 1 }
    END { print p + 0, f + 0, s + 0 }' "$log")
  read -r p f s <<<"$counts"
  [ "$status" -ne 0 ] && [ "$f" -eq 0 ] && f=1
  [ "$status" -eq 0 ] && [ "$p" -eq 0 ] && { f=1; notes+=("FAILED: $name ran no test"); }
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  [ "$f" -ne 0 ] && notes+=("FAILED: $name")
  while IFS= read -r line; do notes+=("$line"); done < <(grep '^SKIPPED' "$log")
}

skip() {
  skipped=$((skipped + 1))
  notes+=("SKIPPED: $1")
  printf '\nSKIPPED: %s\n' "$1"
}

heading "control plane"
hack/tools/build.sh || {
  echo "the control plane could not be built; nothing can be tested without it" >&2
  echo "total: 0 passed, 1 failed"
  exit 1
}
heading "icinga2"
hack/icinga.sh || true # the golden suite says what is missing, and fails in CI
timeout 900 hack/icinga-generations.sh || true # the golden suite says which generation is missing

step "format" cargo fmt --check
step "lint" cargo clippy --locked --all-targets -- -D warnings
step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet
suite "unit tests" cargo test --locked --lib --quiet
suite "documentation tests" cargo test --locked --doc --quiet
for name in structure crd corpus golden support_selftest commands hub satellites order fleet; do
  suite "$name" cargo test --locked --test "$name"
done
suite "chart" hack/check-chart.sh

heading "cargo deny"
if deny=$(hack/cargo-deny.sh); then
  step "licences, bans, sources" "$deny" check bans licenses sources
  heading "advisories"
  if "$deny" check advisories 2>"$log"; then
    passed=$((passed + 1))
  elif grep -qiE 'failed to fetch advisory|failed to (clone|fetch)|could not connect|network' "$log"; then
    skip "advisories: the advisory database cannot be fetched from here"
  else
    cat "$log"
    failed=$((failed + 1))
    notes+=("FAILED: advisories")
  fi
else
  skip "cargo deny: it cannot be installed from here"
fi

printf '\n=== result after %s s\n' "$SECONDS"
printf '%s\n' "${notes[@]}"
echo "total: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
