# shellcheck shell=bash
# What the scripts that check share. A script reads this file, calls `check` for each thing, and ends with `finish`.

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# check DESCRIPTION COMMAND...: the command must succeed. Its output is shown if it fails.
check() {
  local description=$1
  shift
  if "$@" >"$work/why" 2>&1; then
    passed=$((passed + 1))
    echo "ok - $description"
  else
    failed=$((failed + 1))
    echo "FAIL - $description"
    head -n 40 "$work/why" | sed 's/^/    /'
  fi
}

# finish NAME: prints the totals; fails if anything failed.
finish() {
  echo "$1: $passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}
