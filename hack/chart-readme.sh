#!/usr/bin/env bash
# Writes the table of values in the chart's README from the comments ("# -- ") of values.yaml.
# `hack/chart-readme.sh --check` writes nothing, and fails if the table is out of date.
set -euo pipefail
chart=${CHART:-$(cd "$(dirname "$0")/.." && pwd)/charts/groundlink}
table=$(mktemp) readme=$(mktemp)
trap 'rm -f "$table" "$readme"' EXIT

# A documented key is one value, which stands in its line.
awk 'BEGIN { print "| Value | Default | Meaning |"; print "|---|---|---|" }
  /^ *# -- / { text = $0; sub(/^ *# -- /, "", text); next }
  /^ *#/ { next }
  /^ *[A-Za-z]+:/ {
    match($0, /^ */); depth = RLENGTH / 2; key = $1; sub(/:.*/, "", key); path[depth] = key
    if (text == "") next
    name = path[0]; for (i = 1; i <= depth; i++) name = name "." path[i]
    value = $0; sub(/^ *[A-Za-z]+: */, "", value)
    print "| `" name "` | `" value "` | " text " |"; text = "" }' "$chart/values.yaml" >"$table"

awk -v table="$table" '/^<!-- end of values -->/ { on = 0 } !on { print }
  /^<!-- values:/ { on = 1; while ((getline line < table) > 0) print line }' "$chart/README.md" >"$readme"
cmp -s "$readme" "$chart/README.md" && exit
if [ "${1:-}" = --check ]; then
  diff "$chart/README.md" "$readme"
  echo "charts/groundlink/README.md is out of date: run hack/chart-readme.sh"
  exit 1
fi
cat "$readme" >"$chart/README.md"
