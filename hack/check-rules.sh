#!/usr/bin/env bash
# Checks the alerts and objectives of the chart: promtool reads them, each alert fires and stays silent in
# tests/alerts, each has a runbook and a test, and the schema knows each name.
# PROMTOOL is the binary (default .cache/bin/promtool), CHART the chart to check.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
promtool=${PROMTOOL:-$root/.cache/bin/promtool}
chart=${CHART:-$root/charts/groundlink}
files=("$chart"/files/alerts.yaml "$chart"/files/objectives.yaml)
# shellcheck source=hack/checks.sh
source "$root/hack/checks.sh"

check "promtool check rules" "$promtool" check rules --lint=all --lint-fatal "${files[@]}"
for file in "$root"/tests/alerts/*_test.yaml; do
  check "promtool test rules: $(basename "$file")" "$promtool" test rules "$file"
done

names=$(sed -nE 's/^ *- alert: //p' "${files[@]}" | sort -u)
has_six() { [ "$(wc -l <<<"$names")" -ge 6 ] || { echo "found only: $names"; return 1; }; }
check "at least six alerts" has_six
# Each has a test in which it fires and one in which it does not.
is_tested() {
  local all="$root/tests/alerts/*_test.yaml"
  cat $all | awk -v name="$1" '$0 ~ "alertname: " name "(,|$)" { seen = 1; if (/exp_alerts: \[\]/) silent = 1; next }
    seen && /exp_alerts:$/ { fires = 1 } { seen = 0 }
    END { if (!fires) print "it fires in no test"; if (!silent) print "it stays silent in no test"; exit !(fires && silent) }'
}
has_runbook() {
  local page=$root/docs/runbooks/$1.md heading
  for heading in "# $1" "## Meaning" "## Impact" "## Diagnosis" "## Mitigation"; do
    grep -qxF "$heading" "$page" || { echo "$page: no line \"$heading\""; return 1; }
  done
  grep -qF "($1.md)" "$root/docs/runbooks/README.md" || { echo "docs/runbooks/README.md does not list $1"; return 1; }
  grep -qE "^ *runbook_url: $1\$" "${files[@]}" || { echo "no runbook_url: $1"; return 1; }
}
in_schema() { grep -qF "\"$1\"" "$chart/values.schema.json" || { echo "monitoring.prometheusRule.disabled does not take $1"; return 1; }; }
for name in $names; do
  check "$name fires in a test, and stays silent in one" is_tested "$name"
  check "$name has a runbook" has_runbook "$name"
  check "$name can be disabled" in_schema "$name"
done
no_other_page() {
  local page
  for page in "$root"/docs/runbooks/Groundlink*.md; do
    grep -qx "$(basename "$page" .md)" <<<"$names" || { echo "$page is about no alert"; return 1; }
  done
}
check "every runbook is about an alert" no_other_page

finish rules
