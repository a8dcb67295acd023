#!/usr/bin/env bash
# Runs everything that can be tested on this machine, for `make test` and CI. Installs and builds what it needs.
# `hack/test.sh order hub` runs only these suites. Continues after a failure, lists each skipped check with its
# reason, and ends with the time of each suite and the totals of all runners.
set -uo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
log=$work/suite
declare -A background=()
# A background job is a process group of its own, so its compilers end with it.
trap 'for pid in "${background[@]}"; do kill -- "-$pid" 2>/dev/null; done; rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0
notes=() times=()
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}

suites=(unit documentation structure crd corpus golden agent support_selftest commands hub satellites loaded order fleet status_page packaging chart)

heading() { printf '\n=== %s (%s s since the start)\n' "$1" "$SECONDS"; }

# took NAME START: notes the seconds since START.
took() { times+=("$(printf '%6s s  %s' "$((SECONDS - $2))" "$1")"); }

# step NAME COMMAND...: runs a command, which counts as one pass or one failure.
step() {
  heading "$1"
  local name=$1 start=$SECONDS
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    notes+=("FAILED: $name")
  fi
  took "$name" "$start"
}

# suite NAME COMMAND...: runs a suite, and adds the totals of its runner: cargo test, or a line
# "...: N passed, N failed".
suite() {
  heading "$1"
  local name=$1 start=$SECONDS status
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
  took "$name" "$start"
}

# The simulation, in the unit tests, is worth optimizing; all else waits for other programs longer than for ours.
plain=(env CARGO_PROFILE_TEST_OPT_LEVEL=0)

# run SUITE: runs the suite of this name. Those on real API servers are modules of one test binary, and each
# runs in its own process.
run() {
  case $1 in
  unit) suite "unit tests" cargo test --locked --lib --quiet ;;
  documentation) suite "documentation tests" "${plain[@]}" cargo test --locked --doc --quiet ;;
  structure | corpus | golden) suite "$1" "${plain[@]}" cargo test --locked --test "$1" ;;
  agent | crd | support_selftest | commands | hub | satellites | loaded | order | fleet | status_page | packaging)
    suite "$1" "${plain[@]}" cargo test --locked --test suites "$1::"
    ;;
  chart)
    suite "chart" hack/check-chart.sh
    suite "rules" hack/check-rules.sh
    suite "scorecard" hack/scorecard.sh
    ;;
  *)
    echo "hack/test.sh: no suite is called $1; there are: ${suites[*]}" >&2
    failed=$((failed + 1))
    notes+=("FAILED: $1 is no suite")
    ;;
  esac
}

# result: prints the times and the totals; fails if anything failed.
result() {
  printf '\n=== result after %s s\n' "$SECONDS"
  printf '%s\n' "${times[@]}"
  [ "${#notes[@]}" -eq 0 ] || printf '%s\n' "${notes[@]}"
  echo "total: $passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ]
}

skip() {
  skipped=$((skipped + 1))
  notes+=("SKIPPED: $1")
  printf '\nSKIPPED: %s\n' "$1"
}

control_plane() { hack/tools/build.sh --all; }

# If Icinga cannot be installed, the golden suite reports which version is missing. In CI it fails.
icinga() {
  hack/icinga.sh
  timeout 900 hack/icinga-generations.sh
}

# For the status page. If it cannot be installed, the suite reports that. In CI it fails.
chromium() { timeout 600 hack/chromium.sh; }

# One after the other: apt-get runs once at a time. Without XFS, the power cuts on it are skipped.
from_debian() {
  icinga
  chromium
  hack/xfs.sh
}

cargo_deny() { hack/cargo-deny.sh >"$work/cargo_deny.path"; }

# start FUNCTION: begins it in the background. `join` waits for it, and shows its output and its time.
start() {
  set -m
  { "$1"; status=$?; echo "$SECONDS" >"$work/$1.end"; exit "$status"; } >"$work/$1.log" 2>&1 </dev/null &
  background[$1]=$!
  set +m
}

join() {
  local status=0
  wait "${background[$1]}" || status=$?
  unset "background[$1]"
  heading "$2, in the background"
  cat "$work/$1.log"
  times+=("$(printf '%6s s  %s, in the background' "$(cat "$work/$1.end")" "$2")")
  return "$status"
}

# The suites start hundreds of API servers, and half of the work of both cores is theirs. With a heap of up to 1 GiB before
# Go collects garbage, the start of one costs 2.0 s of CPU instead of 3.0.
roomy_servers() { export GOGC=2000 GOMEMLIMIT=1GiB; }

# needed STATUS: ends the run if the control plane could not be built.
needed() {
  [ "$1" -eq 0 ] && return
  echo "the control plane could not be built; nothing can be tested without it" >&2
  echo "total: $passed passed, $((failed + 1)) failed"
  exit 1
}

if [ $# -gt 0 ]; then
  case " $* " in *" status_page "*) heading "chromium" && chromium ;; esac
  case " $* " in *" unit "*) heading "xfs" && hack/xfs.sh ;; esac
  case " $* " in *" golden "* | *" agent "* | *" loaded "*) heading "icinga2" && icinga ;; esac
  # These need no cluster; everything else does.
  for name in "$@"; do
    case $name in
    unit | documentation | structure | corpus | golden | agent) ;;
    *)
      heading "control plane"
      control_plane
      needed $?
      break
      ;;
    esac
  done
  roomy_servers
  for name in "$@"; do run "$name"; done
  result
  exit
fi

# Installs the toolchain if it is missing, before two commands at once do.
cargo --version
# Downloads, linkers and the compiler of a single crate leave cores idle; so these run beside the checks that need
# the sources alone, and end before the first suite, which is timed.
start control_plane
start from_debian
start cargo_deny
step "format" cargo fmt --check
step "lint" cargo clippy --locked --all-targets -- -D warnings
step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet
heading "build"
# Built here, so that the time of a suite is that of its tests. If this fails, each suite reports the error.
begun=$SECONDS
cargo test --locked --no-run --quiet --lib && "${plain[@]}" cargo test --locked --no-run --quiet --test '*' || true
took "build" "$begun"
join from_debian "icinga2, chromium and xfs"
join cargo_deny "cargo deny"
deny_installed=$?
join control_plane "control plane"
needed $?
roomy_servers
for name in "${suites[@]}"; do run "$name"; done

heading "cargo deny"
if [ "$deny_installed" -eq 0 ]; then
  deny=$(cat "$work/cargo_deny.path")
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

result
